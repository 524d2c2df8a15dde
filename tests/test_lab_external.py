"""A program that somebody runs already becomes a service of the stack, under Docker old and new, and under Podman."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drive import Fleet, converged, fresh
from tests.lab import Lab
from tests.test_lab_plan import plan

pytestmark = pytest.mark.lab
HOSTS = {"extnew": "cpu", "extold": "cpu@bookworm", "extpod": "cpu+podman"}
HOST = "extnew"
IMAGE = "ghcr.io/ggml-org/llama.cpp:server-b11151"
SERVER = "--model /models/lab-other.gguf --host 0.0.0.0 --port 8080 --ctx-size 1024"
URL = "http://127.0.0.1:8080"
EXTERNAL = ("--data", f'external={{"llama": "{URL}"}}')


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    """Hosts on which somebody runs an engine with a model of their own."""
    with fresh(lab, HOSTS) as fleet:
        for host in HOSTS:
            theirs(fleet, host)
        yield fleet


def theirs(fleet: Fleet, host: str, publish: str = "8080:8080") -> None:
    """Somebody's own container, anew."""
    url = fleet.model("lab-other.gguf")["chat"]["url"]
    engine = engine_of(host)
    fleet.lab.run(host, f"mkdir -p /root/theirs; curl -fsSo /root/theirs/lab-other.gguf {url}")
    run = f"{engine} run -d --name theirs -p {publish} -v /root/theirs:/models:ro {IMAGE} {SERVER}"
    fleet.lab.run(host, f"{engine} rm -f theirs >/dev/null 2>&1; {run}")
    fleet.lab.run(host, f"for n in $(seq 60); do curl -fsS {URL}/health && exit 0; sleep 1; done; exit 1")


def engine_of(host: str) -> str:
    return "podman" if host == "extpod" else "docker"


def settings(host: str) -> tuple[str, ...]:
    return (*EXTERNAL, "--data", f"engine={engine_of(host)}")


def containers(fleet: Fleet, host: str) -> dict[str, str]:
    return fleet.snapshot(host).containers


@pytest.mark.parametrize("host", HOSTS)
def test_an_engine_that_runs_already_answers_through_the_gateway(fleet: Fleet, host: str) -> None:
    since = f"{engine_of(host)} inspect -f '{{{{.Id}}}} {{{{.State.StartedAt}}}}' theirs"
    before = fleet.lab.run(host, since).stdout
    converged(fleet, host, *settings(host))
    assert containers(fleet, host).keys() == {"theirs", "starter-redis-1", "starter-litellm-1"}
    assert fleet.lab.run(host, since).stdout == before, "nobody touched it"
    assert fleet.lab.run(host, "ls /srv/gpufleet/models").stdout == "", "its model is not fetched"
    assert fleet.ask(host) == " other model here"


def test_plan_and_doctor_say_that_it_is_external(fleet: Fleet) -> None:
    told = plan(fleet, "--limit", HOST, *EXTERNAL)
    assert (told.code, told.stderr) == (0, "")
    assert ["llama", "external", "-", URL] in [line.split() for line in told.stdout.splitlines()]
    why = plan(fleet, "--limit", HOST, *EXTERNAL, "--explain", "llama").stdout
    assert f"external: it runs already, at {URL}, and is left as it is" in why
    found = fleet.pyinfra("-y", "inventory/lab.py", "--limit", HOST, *EXTERNAL, "gpufleet.deploys.doctor").output
    assert f"{HOST}: external/llama: is {URL}" in found


def test_its_port_is_refused_to_others_with_the_way_to_use_it(fleet: Fleet) -> None:
    run = fleet.converge("--limit", HOST, *EXTERNAL, "--data", 'ports={"litellm": 8080}')
    assert run.code != 0
    assert (
        "port 8080 is taken by container theirs; stop it, set ports = {'litellm': 8081}, or use it: external"
        in run.output
    )


@pytest.mark.parametrize("host", HOSTS)
def test_one_that_does_not_answer_stops_the_run_before_anything(fleet: Fleet, host: str) -> None:
    fleet.lab.run(host, f"{engine_of(host)} stop theirs")
    before = fleet.snapshot(host)
    run = fleet.converge("--limit", host, *settings(host), "--data", 'options={"redis": {"maxmemory_mib": 64}}')
    assert run.code != 0
    lines = [line for line in run.output.splitlines() if "NET-EXTERNAL-AWAY" in line]
    assert len(lines) == 1
    assert f"external/llama: {URL}/health does not answer: Failed to connect" in lines[0]
    assert fleet.snapshot(host) == before


@pytest.mark.parametrize("host", HOSTS)
def test_one_that_no_container_reaches_is_refused(fleet: Fleet, host: str) -> None:
    theirs(fleet, host, "127.0.0.1:8080:8080")
    told = plan(fleet, "--limit", host, *settings(host))
    assert told.code == 3
    said = " ".join(told.stdout.split())
    assert "external/llama: it listens on 127.0.0.1 alone, which litellm cannot reach from containers" in said
    theirs(fleet, host)
    assert plan(fleet, "--limit", host, *settings(host)).code == 0


def test_a_service_that_was_ours_leaves_when_another_takes_over(fleet: Fleet) -> None:
    fleet.lab.run(HOST, "docker rm -f theirs")
    assert fleet.converge("--limit", HOST).code == 0
    assert fleet.ask(HOST) == " pong from lab"
    theirs(fleet, HOST)
    told = " ".join(plan(fleet, "--limit", HOST, *EXTERNAL).stdout.split())
    assert "- remove llama: is no longer part of the stack" in told
    assert "~ recreate litellm" in told
    converged(fleet, HOST, *EXTERNAL)
    assert containers(fleet, HOST).keys() == {"theirs", "starter-redis-1", "starter-litellm-1"}
    assert fleet.ask(HOST) == " other model here"
    assert fleet.lab.run(HOST, "ls /srv/gpufleet/models").stdout.split() == ["lab-tiny.gguf"], "its data stays"
