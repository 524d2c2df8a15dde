"""The stack `starter`, end to end on real hosts: one without a card, one with a (simulated) RTX 4090."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.drive import Fleet, fresh, key
from tests.lab import Lab

pytestmark = pytest.mark.lab
HOSTS = {"cpu1": "cpu", "gpu1": "rtx4090"}


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    """Two hosts as they were first made, then converged."""
    with fresh(lab, HOSTS) as fleet:
        assert fleet.converge().code == 0
        yield fleet


@pytest.fixture
def converged(fleet: Fleet) -> Fleet:
    """The hosts, converged without any setting beyond the inventory's."""
    run = fleet.converge()
    assert run.code == 0, run.output
    return fleet


@pytest.mark.parametrize("host", HOSTS)
def test_a_question_through_the_gateway_is_answered_by_the_model(converged: Fleet, host: str) -> None:
    assert converged.ask(host) == " pong from lab"


@pytest.mark.parametrize("host", HOSTS)
def test_the_gateway_wants_the_key(converged: Fleet, host: str) -> None:
    assert converged.status(host, "/v1/models", "X-None: 1") == 401
    # Without a database to look it up in, LiteLLM calls an unknown key a bad request.
    assert converged.status(host, "/v1/models", "Authorization: Bearer sk-wrong") in (400, 401)
    assert converged.status(host, "/v1/models", f"Authorization: Bearer {key(converged, host)}") == 200


def test_second_run_changes_nothing(converged: Fleet) -> None:
    before = {h: converged.snapshot(h) for h in HOSTS}
    run = converged.converge("--json")
    assert (run.totals["success"], run.totals["error"]) == (0, 0)
    assert {h: converged.snapshot(h) for h in HOSTS} == before


def test_second_run_costs_few_remote_commands(converged: Fleet) -> None:
    output = converged.converge("-vvv").output
    assert 0 < output.count(">>> ") <= 8 * len(HOSTS)


def test_the_card_and_no_other_device_is_in_the_container(converged: Fleet) -> None:
    inside = converged.lab.run("gpu1", "docker exec starter-llama-1 sh -c 'ls /dev | grep nvidia'").stdout.split()
    assert sorted(inside) == ["nvidia-uvm", "nvidia0", "nvidiactl"]
    image = converged.lab.run("gpu1", "docker inspect -f '{{.Config.Image}}' starter-llama-1").stdout
    assert ":server-cuda-" in image
    assert converged.lab.run("cpu1", "docker exec starter-llama-1 ls /dev").stdout.count("nvidia") == 0


def test_only_the_declared_port_is_published(converged: Fleet) -> None:
    ports = converged.lab.run("cpu1", "docker ps --format '{{.Ports}}' | grep -o '[0-9.]*:[0-9]*->' | sort -u").stdout
    assert ports.split() == ["0.0.0.0:4000->"]


def test_dry_predicts_the_run(converged: Fleet) -> None:
    change = ("--data", 'options={"redis": {"maxmemory_mib": 64}, "llama": {"context": 2048}}')
    dry = ("--dry", "--json", "inventory/lab.py", *converged.limit(change), *change, "deploy.py")
    said = json.loads(converged.pyinfra(*dry).stdout)["plan"]
    did = converged.converge("--json", *change)
    predicted = {entry["names"][0] for entry in said if entry["hosts_with_change"]}
    assert predicted == {"gpufleet | Bring the release over", "gpufleet | Run the release"}
    assert did.totals["success"] == len(predicted) * len(HOSTS)
    assert did.totals["error"] == 0


def test_one_setting_recreates_one_container(converged: Fleet) -> None:
    before = converged.snapshot("cpu1")
    run = converged.converge("--limit", "cpu1", "--data", 'options={"llama": {"context": 1024}}')
    assert run.code == 0, run.output
    after = converged.snapshot("cpu1")
    assert {name for name in before.containers if before.containers[name] != after.containers[name]} == {
        "starter-llama-1"
    }
    assert before.env == after.env


def test_another_model_of_the_same_name_is_served(converged: Fleet) -> None:
    run = converged.converge("--limit", "cpu1", "--data", f"models={json.dumps(converged.model('lab-other.gguf'))}")
    assert run.code == 0, run.output
    assert converged.ask("cpu1") == " other model here"


@pytest.mark.parametrize("delays", [(0.9, 1.3), (1.8, 2.5), (4, 7)], ids=str)
def test_a_killed_run_is_finished_by_the_next(converged: Fleet, delays: tuple[float, float]) -> None:
    """Killed at growing delays, from before the first operation until after the last; a host for each."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(killed, [converged] * 2, HOSTS, delays))


def killed(fleet: Fleet, host: str, delay: float) -> None:
    fleet.lab.wipe(host)
    run = fleet.start("--limit", host)
    time.sleep(delay)
    run.send_signal(signal.SIGKILL)
    run.wait()
    again = fleet.converge("--limit", host)
    assert again.code == 0, f"killed after {delay} s: {again.output}"
    assert fleet.converge("--json", "--limit", host).totals["success"] == 0
    assert fleet.ask(host) == " pong from lab"


def test_a_reboot_brings_everything_back(converged: Fleet) -> None:
    converged.lab.reboot("gpu1")
    converged.wait_for("gpu1")
    assert converged.converge("--json").totals["success"] == 0
    assert converged.ask("gpu1") == " pong from lab"


def test_a_restart_of_the_engine_brings_everything_back(converged: Fleet) -> None:
    converged.lab.run("gpu1", "systemctl restart docker")
    converged.wait_for("gpu1")
    assert converged.converge("--json").totals["success"] == 0


def test_bare_host_gets_its_engine(fleet: Fleet) -> None:
    fleet.lab.wipe("cpu1", seeded=False)
    fleet.lab.run("cpu1", "apt-get purge -y docker.io docker-cli docker-compose >/dev/null 2>&1; ! command -v docker")
    run = fleet.converge("--limit", "cpu1")
    assert run.code == 0, run.output
    assert fleet.ask("cpu1") == " pong from lab"
    assert fleet.converge("--json", "--limit", "cpu1").totals["success"] == 0


def test_names_of_containers_are_the_stacks(converged: Fleet) -> None:
    names = converged.lab.run("cpu1", "docker ps -a --format '{{.Names}}'").stdout.split()
    assert sorted(names) == ["starter-litellm-1", "starter-llama-1", "starter-redis-1"]
    assert all(re.fullmatch(r"starter-\w+-1", name) for name in names)
