"""Every stack of the catalog on a host of its kind: it comes up, stays as it is, and answers what it is there for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.drive import ENV, Fleet, fresh
from tests.lab import Lab
from tests.lab.stacks import KNOWN, give

pytestmark = pytest.mark.lab
KEYS = f"while IFS='=' read -r name word; do echo \"Authorization: Bearer $word\" >/tmp/$name; done <{ENV}"


class Up:
    """A stack, and the host that it is on."""

    def __init__(self, fleet: Fleet, stack: str) -> None:
        self.fleet, self.stack, self.known = fleet, stack, KNOWN[stack]
        self.host: str = self.known["host"]

    def containers(self) -> dict[str, str]:
        """By service what is its container's own."""
        found = self.fleet.snapshot(self.host).containers
        return {name.removeprefix(f"{self.stack}-").removesuffix("-1"): told for name, told in found.items()}

    def run(self, command: str) -> str:
        return self.fleet.lab.run(self.host, command, check=False).stdout


@pytest.fixture(scope="module", params=[name for name in KNOWN if KNOWN[name]["answers"]])
def up(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Up]:
    known = KNOWN[request.param]
    with fresh(lab, {known["host"]: known["card"]}) as fleet:
        give(known["host"], known["card"], request.param)
        yield Up(fleet, request.param)


def test_a_stack_comes_up_and_stays_as_it_is(up: Up) -> None:
    run = up.fleet.converge()
    assert run.code == 0, run.output
    before = up.fleet.snapshot(up.host)
    again = up.fleet.converge("--json")
    assert again.totals["success"] == 0, again.output
    assert up.fleet.snapshot(up.host) == before


def test_what_a_service_needs_started_before_it(up: Up) -> None:
    told = up.run(f"docker inspect $(docker ps -q --filter label=com.docker.compose.project={up.stack})")
    found = {c["Config"]["Labels"]["com.docker.compose.service"]: c for c in json.loads(told)}
    file = json.loads(up.run(f"cd /srv/gpufleet/current; docker compose --env-file {ENV} config --format json"))
    for service, declared in file["services"].items():
        for needed in declared.get("depends_on", {}):
            assert _started(found[needed]) < _started(found[service]), f"{needed} before {service}"


def _started(container: Any) -> datetime:
    return datetime.fromisoformat(container["State"]["StartedAt"])


def test_nothing_else_listens(up: Up) -> None:
    ports = up.run("ss -ltnH | awk '$4 !~ /^127/ {n = split($4, part, \":\"); print part[n]}'").split()
    assert {int(port) for port in ports} - {22} == set(up.known["listens"])


def test_it_answers(up: Up) -> None:
    up.run(KEYS)
    for command, piece in up.known["answers"].items():
        assert piece in up.run(command), command


def test_other_settings_start_and_end_what_they_should(up: Up) -> None:
    """What leaves the stack leaves the host; what it kept stays."""
    kept = up.run("ls /srv/gpufleet/data /srv/gpufleet/models").split()
    for then in up.known.get("then", ()):
        give(up.host, up.known["card"], up.stack, **then["data"])
        before = up.containers()
        run = up.fleet.converge()
        assert run.code == 0, run.output
        names = up.containers()
        anew = {name for name in before if name in names and before[name] != names[name]}
        assert anew == {*then.get("anew", anew)}
        assert not {*then["runs"]} - names.keys()
        assert not {*then["gone"]} & names.keys()
        assert up.fleet.converge("--json").totals["success"] == 0
    assert not {*kept} - {*up.run("ls /srv/gpufleet/data /srv/gpufleet/models").split()}


def test_two_stacks_share_a_host_if_each_has_its_own_place(lab: Lab) -> None:
    """The second is refused where the first one is, and then neither changes the other."""
    with fresh(lab, {"pair1": "cpu"}) as fleet:
        second = ("--data", "data_root=/srv/two", "--data", 'ports={"predict-otron": 8081}')
        give("pair1", "cpu", "predict-otron")
        assert fleet.converge().code == 0
        give("pair1", "cpu", "predict-otron-ha")
        refused = fleet.converge().output
        assert "the stack predict-otron runs from /srv/gpufleet" in refused
        assert "with the same services predict-otron and ports 8080; end it" in refused
        assert fleet.converge(*second).code == 0
        before = fleet.snapshot("pair1")
        assert fleet.converge("--json", *second).totals["success"] == 0
        give("pair1", "cpu", "predict-otron")
        assert fleet.converge("--json").totals["success"] == 0
        assert fleet.snapshot("pair1") == before
