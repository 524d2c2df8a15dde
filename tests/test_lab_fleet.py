"""Velesio over three hosts: a head with gateway and queue, and workers that are joined to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.catalog import OURS
from tests.drive import ENV, Fleet, Run, fresh
from tests.lab import Lab
from tests.lab.shell import until
from tests.lab.stacks import CATALOG, give

pytestmark = pytest.mark.lab
HEAD, FIRST, SECOND, STRANGER = "flhead", "flone", "fltwo", "flout"
CHAT = {"messages": [{"role": "user", "content": "ping"}], "max_tokens": 8}


class Velesio:
    """A fleet that answers by way of its queue."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.lab = fleet, fleet.lab

    def declare(self, **data: Any) -> None:
        give(HEAD, "cpu", "velesio", "head", **{"x_role": "", **data})
        for name in (FIRST, SECOND):
            give(name, "cpu", "velesio", "worker", **data)

    def converge(self, *args: str, hosts: tuple[str, ...] = (HEAD, FIRST, SECOND)) -> Run:
        return self.fleet.converge("--json", *(word for host in hosts for word in ("--limit", host)), *args)

    def ask(self) -> str:
        """What the API on the head answers."""
        told = 'curl -s -m 120 127.0.0.1:8000/v1/chat/completions -H "Authorization: Bearer $API_TOKENS" -d'
        return self.lab.run(HEAD, f". {ENV}; {told} '{json.dumps(CHAT)}'").stdout

    def docker(self, host: str, command: str) -> str:
        return self.lab.run(host, f"docker {command}").stdout

    def settle(self) -> None:
        """Until every container of the fleet is healthy."""
        bad = "docker ps -a --format '{{.Status}}' | grep -vc '(healthy)'"
        hosts = (HEAD, FIRST, SECOND)
        until("containers", lambda: all(self.lab.run(h, bad, check=False).stdout.strip() == "0" for h in hosts), 180)

    def address(self, host: str) -> str:
        return self.lab.hosts()[host].address

    def reaches(self, host: str, port: int) -> bool:
        """Whether a host gets through to a port of the head."""
        return not self.lab.run(
            host, f"timeout 3 sh -c ': </dev/tcp/{self.address(HEAD)}/{port}'".replace("sh", "bash"), check=False
        ).returncode


@pytest.fixture(scope="module")
def velesio(lab: Lab) -> Iterator[Velesio]:
    with fresh(lab, {HEAD: "cpu", FIRST: "cpu", SECOND: "cpu", STRANGER: "cpu"}) as fleet:
        site = Velesio(fleet)
        site.declare()
        run = site.converge()
        assert run.code == 0, run.output
        yield site


def test_the_api_of_one_host_is_answered_by_another(velesio: Velesio) -> None:
    assert "pong from lab" in velesio.ask()
    running = {host: velesio.docker(host, "ps --format '{{.Names}}'").split() for host in (HEAD, FIRST)}
    assert {n.split("-", 1)[1] for n in running[HEAD]} == {"api-1", "nginx-1", "redis-1", "redis-exporter-1"}
    assert {n.split("-", 1)[1] for n in running[FIRST]} == {"llm-1", "llm-worker-1"}


def test_a_second_run_changes_nothing(velesio: Velesio) -> None:
    before = {host: velesio.fleet.snapshot(host) for host in (HEAD, FIRST, SECOND)}
    assert velesio.converge().totals["success"] == 0
    assert velesio.converge(hosts=(FIRST,)).totals["success"] == 0  # its head is not in the run
    assert {host: velesio.fleet.snapshot(host) for host in before} == before


def test_only_who_needs_the_queue_reaches_it(velesio: Velesio) -> None:
    assert velesio.reaches(FIRST, 6379)
    assert velesio.reaches(SECOND, 6379)
    assert not velesio.reaches(STRANGER, 6379)
    assert velesio.reaches(STRANGER, 8000)  # published
    # All may be gone: Docker's rules, a restart of it, a reboot.
    velesio.lab.run(HEAD, "systemctl restart docker")
    assert not velesio.reaches(STRANGER, 6379)
    velesio.settle()
    assert velesio.converge().totals["success"] == 0


def test_rules_that_were_taken_away_come_back(velesio: Velesio) -> None:
    velesio.lab.run(HEAD, "nft flush ruleset; systemctl restart docker")
    assert velesio.reaches(STRANGER, 6379)
    run = velesio.converge()
    assert run.code == 0, run.output
    assert not velesio.reaches(STRANGER, 6379)
    velesio.settle()
    assert velesio.converge().totals["success"] == 0


def test_the_doctor_sees_who_is_out_of_reach(velesio: Velesio) -> None:
    hosts = [word for host in (HEAD, FIRST, SECOND) for word in ("--limit", host)]
    told = velesio.fleet.pyinfra("-y", "inventory/lab.py", *hosts, "gpufleet.deploys.doctor").output
    assert "FLEET-UNREACHED" not in told
    velesio.docker(HEAD, "stop velesio-redis-1")
    told = velesio.fleet.pyinfra("-y", "inventory/lab.py", *hosts, "gpufleet.deploys.doctor").output
    velesio.docker(HEAD, "start velesio-redis-1")
    assert f"{velesio.address(HEAD)}:6379 does not accept a connection" in told
    velesio.settle()


def test_the_secret_of_the_queue_is_one_and_nowhere_else(velesio: Velesio) -> None:
    values = {velesio.lab.run(h, f". {ENV}; echo $REDIS_PASSWORD").stdout.strip() for h in (HEAD, FIRST, SECOND)}
    assert len(values) == 1
    value = values.pop()
    assert len(value) == 48
    velesio.lab.run(HEAD, f"sed -i s/^REDIS_PASSWORD=.*/REDIS_PASSWORD={value[::-1]}/ {ENV}")
    run = velesio.fleet.pyinfra("-vvv", "-y", "inventory/lab.py", *velesio.fleet.limit(()), "deploy.py")
    assert run.code == 0, run.output
    assert value not in run.output
    assert value[::-1] not in run.output
    for host in (FIRST, SECOND):
        assert velesio.lab.run(host, f". {ENV}; echo $REDIS_PASSWORD").stdout.strip() == value[::-1]
    assert "pong from lab" in velesio.ask()


def test_a_job_waits_for_a_worker_that_is_away(velesio: Velesio) -> None:
    for host in (FIRST, SECOND):
        velesio.docker(host, "kill velesio-llm-worker-1")  # it has no time to sign off
    with ThreadPoolExecutor() as pool:
        asking: Future[str] = pool.submit(velesio.ask)
        velesio.docker(SECOND, "start velesio-llm-worker-1")
        assert "pong from lab" in asking.result()
    velesio.docker(FIRST, "start velesio-llm-worker-1")


def test_a_canary_that_fails_ends_the_rollout(velesio: Velesio, tmp_path: Path) -> None:
    """It is put back, and the others are not touched."""
    before = velesio.fleet.snapshot(SECOND).containers
    more = {"options": {"llm": {"context": 4096}}}
    velesio.declare(**more)
    give(FIRST, "cpu", "velesio", "worker", **more, catalog=str(_spoiled(tmp_path)))
    run = velesio.converge()
    assert run.code == 1
    assert "is back and healthy" in run.output
    assert f"rollout: stopped at {FIRST}, which did not come up; this host is as it was" in run.output
    assert velesio.fleet.snapshot(SECOND).containers == before
    assert "pong from lab" in velesio.ask()
    velesio.declare(**more)
    run = velesio.converge()
    assert run.code == 0, run.output
    assert "4096" in velesio.docker(SECOND, "inspect -f '{{.Args}}' velesio-llm-1")
    assert "pong from lab" in velesio.ask()


def _spoiled(folder: Path) -> Path:
    """The catalog, but for an engine that finds no model."""
    catalog = shutil.copytree(CATALOG, folder / "catalog")
    file = catalog / "services" / "llama-cpp.yaml"
    entry = yaml.safe_load((file if file.exists() else OURS / "services" / "llama-cpp.yaml").read_text())
    file.write_text(yaml.safe_dump({**entry, "command": ["--model", "/models/gone.gguf"]}))
    return catalog


def test_what_is_no_longer_shared_is_no_longer_filtered(velesio: Velesio) -> None:
    """The head alone is a host of its own again."""
    give(HEAD, "cpu", "velesio")
    run = velesio.fleet.converge("--limit", HEAD)
    assert run.code == 0, run.output
    assert not velesio.lab.run(HEAD, "nft list tables; ls /etc/gpufleet").stdout.count("gpufleet_velesio")
    assert not velesio.reaches(FIRST, 6379)
