"""`gpufleet plan` against a real host: it changes nothing, and a run then does what it said and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpufleet.schema import Forecast, HostForecast
from tests.drive import ROOT, Fleet, Run, fresh
from tests.lab import Lab

pytestmark = pytest.mark.lab
HOST = "plan1"
# The part of a run that makes each kind of change.
OPERATIONS = {
    "packages": "Install the packages",
    "engine": "Configure the container engine",
    "cdi": "Make the CDI devices",
    "operators": "Let the operators use the engine",
    "boot": "Start at boot what the engine does not",
    "directories": "Make the directories",
    "secrets": "Make the secrets",
    "models": "Fetch the models",
    "release": "Bring the release over",
    "run": "Run the release",
    "steps": "Do what services need once",
}
SMALLER = ("--data", 'options={"redis": {"maxmemory_mib": 64}, "llama": {"context": 2048}}')
ALL_FILES = "find / -xdev -type f -newermt @{since} -not -path '/var/log/*' -not -path '/run/*' | sort"


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, {HOST: "cpu"}) as fleet:
        yield fleet


def plan(fleet: Fleet, *args: str, inventory: str = "inventory/lab.py") -> Run:
    """`gpufleet plan`, as a user types it."""
    command = [sys.executable, "-m", "gpufleet", "plan", inventory, *fleet.limit(args), *args]
    done = subprocess.run(command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


def foretold(fleet: Fleet, *args: str) -> tuple[int, HostForecast]:
    """The exit code, and the host's forecast."""
    run = plan(fleet, "--json", *args)
    return run.code, Forecast.model_validate_json(run.stdout).hosts[HOST]


def mended(fleet: Fleet, *args: str) -> set[str]:
    """The kinds of changes that a run made."""
    run = fleet.pyinfra("--json", "-y", "inventory/lab.py", *fleet.limit(args), *args, "deploy.py")
    results: dict[str, Any] = json.loads(run.stdout)["results"]
    done = {o["name"].removeprefix("gpufleet | ") for o in results["operations"] if o["success"]}
    assert results["totals"]["error"] == 0, run.output
    return {kind for kind, name in OPERATIONS.items() if name in done}


def kinds(found: HostForecast) -> set[str]:
    return {change.kind for change in found.changes}


def ids(fleet: Fleet) -> dict[str, str]:
    """Containers' ids by service."""
    return {n.split("-")[1]: told.split()[0] for n, told in fleet.snapshot(HOST).containers.items()}


def test_a_fresh_host_is_foretold_and_left_as_it_is(fleet: Fleet) -> None:
    since = fleet.lab.run(HOST, "sleep 1; date +%s").stdout.strip()
    code, found = foretold(fleet)
    assert fleet.lab.run(HOST, ALL_FILES.format(since=since)).stdout == "", "no file was written"
    assert (code, found.state) == (2, "changes")
    assert {(c.service, c.action) for c in found.containers} == {(s.name, "create") for s in found.services}
    assert kinds(found) == mended(fleet)
    sizes = fleet.lab.run(HOST, "cd /srv/gpufleet/models && stat -c '%s %n' *").stdout.splitlines()
    assert sizes == [f"{f.left} {f.path.rsplit('/', 1)[-1]}" for f in found.downloads]
    assert {s.name for s in found.services} == ids(fleet).keys()


def test_a_converged_host_has_nothing_to_do(fleet: Fleet) -> None:
    before = fleet.snapshot(HOST)
    code, found = foretold(fleet)
    assert (code, found.state, found.changes, found.containers) == (0, "same", (), ())
    assert (found.images, found.downloads) == ((), ())
    elsewhere = foretold(fleet, "--data", 'mirrors={"registry": "mirror.lan:5000"}')[1]
    assert {pull.image for pull in elsewhere.images} == {s.image for s in elsewhere.services}
    page = plan(fleet)
    assert (page.code, page.stderr, page.stdout.splitlines()[-1]) == (0, "", "1 host: 1 nothing to do")
    assert fleet.snapshot(HOST) == before
    secrets = [line.split("=", 1)[1] for line in before.env.splitlines() if "=" in line]
    assert secrets
    assert not [value for value in secrets if value in page.stdout + found.model_dump_json()]


def test_a_changed_setting_recreates_only_what_the_plan_says(fleet: Fleet) -> None:
    before, old = fleet.snapshot(HOST), ids(fleet)
    code, found = foretold(fleet, *SMALLER)
    assert fleet.snapshot(HOST) == before, "a plan of other settings changes nothing either"
    assert (code, [(c.service, c.action) for c in found.containers]) == (2, [("redis", "recreate")])
    assert kinds(found) == {"release", "run"} == mended(fleet, *SMALLER)
    assert {service for service, id_ in ids(fleet).items() if old[service] != id_} == {"redis"}
    assert foretold(fleet, *SMALLER)[0] == 0


def test_a_stopped_container_is_started_as_foretold(fleet: Fleet) -> None:
    fleet.lab.run(HOST, "docker stop starter-redis-1")
    old = ids(fleet)
    code, found = foretold(fleet, *SMALLER)
    assert (code, [(c.service, c.action) for c in found.containers]) == (2, [("redis", "start")])
    assert kinds(found) == mended(fleet, *SMALLER)
    assert ids(fleet) == old


def test_a_blocked_host_is_3_and_says_why(fleet: Fleet) -> None:
    run = plan(fleet, "--data", 'operators=["nobody-has-this"]')
    assert run.code == 3
    assert "operators/nobody-has-this: the host has no such account" in " ".join(run.stdout.split())


def test_an_unknown_setting_is_3_in_one_line(fleet: Fleet) -> None:
    code, found = foretold(fleet, "--data", "stak=starter")
    assert (code, found.state) == (3, "blocked")
    assert found.problems == ("group_data/stak: unknown key 'stak'; did you mean 'stack'?",)


def test_a_host_that_is_away_is_1_and_the_others_are_told(fleet: Fleet, tmp_path: Path) -> None:
    away = '"away", {"ssh_hostname": "10.98.0.250", "ssh_paramiko_connect_kwargs": {"timeout": 2}}'
    text = (ROOT / "inventory" / "lab.py").read_text()
    (tmp_path / "fleet.py").write_text(f"{text}\ncpu.append(({away}))\n")
    run = plan(fleet, "--json", "--limit", HOST, "--limit", "away", inventory=str(tmp_path / "fleet.py"))
    hosts = Forecast.model_validate_json(run.stdout).hosts
    assert (run.code, hosts["away"].state) == (1, "failed")
    assert hosts["away"].problems[0].startswith("host: cannot be reached: Could not connect")
    assert hosts[HOST].services


def test_a_service_is_explained_and_an_unknown_one_is_64(fleet: Fleet) -> None:
    told = plan(fleet, "--explain", "llama").stdout.splitlines()
    assert told[:2] == [f"{HOST}: llama", "  runs on the CPU: the role is cpu"]
    wrong = plan(fleet, "--explain", "lama")
    assert (wrong.code, wrong.stdout) == (64, "")
    told_once = "gpufleet plan: --explain: no host's stack has 'lama'; did you mean 'llama'? See gpufleet plan --help\n"
    assert wrong.stderr == told_once
