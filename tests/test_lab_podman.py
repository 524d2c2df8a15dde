"""Podman as the engine: on a bare host, and on one whose user has set it up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drive import Fleet, converged, fresh, mirror
from tests.lab import Lab, engines
from tests.lab.shell import until

pytestmark = pytest.mark.lab
BARE, OWN = "pbare", "pown"
HOSTS = {BARE: "two-nvidia+none", OWN: "two-nvidia+podman"}
PODMAN = ("--data", "engine=podman")
# The card with more memory is the second, and its node the first.
NODES = "podman exec starter-llama-1 sh -c 'ls -d /dev/nvidia[0-9]*'"


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, HOSTS) as fleet:
        # The user's own: the lab's images come from its registry, and its control groups are of version 1.
        for path, text in engines.PODMAN.items():
            lab.run(BARE, f"mkdir -p $(dirname /{path}) && cat >/{path} <<'END'\n{text}END")
        yield fleet


def healthy(fleet: Fleet, host: str) -> None:
    command = "podman ps --format '{{.Status}}' | grep -c healthy"
    until(f"containers on {host}", lambda: fleet.lab.run(host, command, check=False).stdout.strip() == "3", 120)


def test_a_bare_host_gets_podman(fleet: Fleet) -> None:
    converged(fleet, BARE, *PODMAN)
    assert fleet.lab.run(BARE, NODES).stdout.split() == ["/dev/nvidia0"]
    assert fleet.lab.run(BARE, "command -v dockerd", check=False).stdout == ""
    assert fleet.ask(BARE) == " pong from lab"


def test_its_containers_come_back_after_a_reboot(fleet: Fleet) -> None:
    fleet.lab.reboot(BARE)
    healthy(fleet, BARE)
    run = fleet.pyinfra("--json", "-y", "inventory/lab.py", "--limit", BARE, *mirror(), *PODMAN, "deploy.py")
    assert run.totals["success"] == 0, run.output
    assert fleet.lab.run(BARE, NODES).stdout.split() == ["/dev/nvidia0"]


def test_what_a_user_has_set_up_is_kept(fleet: Fleet) -> None:
    """No package is installed, no specification made; a container of the user's goes on."""
    packages, theirs = "dpkg-query -W", "podman inspect -f '{{.State.StartedAt}}' theirs"
    fleet.lab.run(OWN, "podman run -d --name theirs docker.io/library/redis:8.2.1")
    before = [fleet.lab.run(OWN, command).stdout for command in (packages, "cat /etc/cdi/*", theirs)]
    converged(fleet, OWN, *PODMAN)
    assert [fleet.lab.run(OWN, command).stdout for command in (packages, "cat /etc/cdi/*", theirs)] == before
    assert fleet.lab.run(OWN, NODES).stdout.split() == ["/dev/nvidia0"]


UUID = "GPU-0a1b2c3d-0002-4e5f-8a9b-c0d1e2f3a4b2"
RESERVED = (
    "services: {a: {image: 'docker.io/library/redis:8.2.1', deploy: {resources: {reservations: {devices: "
    "[{driver: DRIVER, device_ids: ['ID'], capabilities: [gpu]}]}}}}}"
)


@pytest.mark.parametrize(
    ("driver", "id_", "seen"), [("cdi", f"nvidia.com/gpu={UUID}", ["/dev/nvidia0"]), ("nvidia", UUID, [])]
)
def test_one_way_of_asking_is_left_out_without_a_word(fleet: Fleet, driver: str, id_: str, seen: list[str]) -> None:
    """Why the nodes in the container are looked at, and no exit code is believed."""
    file = RESERVED.replace("DRIVER", driver).replace("ID", id_)
    compose = "DOCKER_HOST=unix:///run/podman/podman.sock docker compose -p asked -f /root/asked.yaml"
    fleet.lab.run(OWN, f'echo "{file}" >/root/asked.yaml; systemctl start podman.socket; {compose} up -d')
    nodes = fleet.lab.run(OWN, "podman exec asked-a-1 sh -c 'ls -d /dev/nvidia[0-9]*'", check=False).stdout
    fleet.lab.run(OWN, f"{compose} down")
    assert nodes.split() == seen


def test_its_doctor_knows_podman(fleet: Fleet) -> None:
    """The lab's program for CUDA is one for CPUs: the doctor reads that in the container's log."""
    fleet.lab.run(OWN, "podman stop -t 1 starter-redis-1")
    run = fleet.pyinfra("-y", "inventory/lab.py", "--limit", OWN, *mirror(), *PODMAN, "gpufleet.deploys.doctor")
    assert f"{OWN}: release: redis: is exited" in run.lines
    assert any(line.startswith("GPU-ON-CPU") for line in run.lines)
    assert "Traceback" not in run.output
