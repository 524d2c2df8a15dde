"""From a bare host to a container that sees exactly its card: engines of three generations, packages of a mirror."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.drive import DAEMON, FOREIGN, Fleet, cards, converged, fresh, furnish, mirror
from tests.lab import Lab, images, registry

pytestmark = pytest.mark.lab
BARE, OWN, OLD, NEW, NONE, NONE2 = "bare", "own", "old", "new", "none", "none2"
HOSTS = {
    BARE: "rtx4090+none",
    OWN: "cpu@bookworm+none",
    OLD: "two-nvidia@bookworm",
    NEW: "two-nvidia@sid",
    NONE: "nvidia-no-driver+none",
    NONE2: "nvidia-no-driver+none",
}


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, HOSTS) as fleet:
        furnish(fleet, BARE, OWN, NONE, NONE2)
        yield fleet


def test_a_key_that_is_not_the_vendors_is_refused(fleet: Fleet) -> None:
    run = fleet.converge("--limit", BARE, *mirror(toolkit="C95B321B61E88C1809C4F759DDCAE044F796ECB0"))
    assert run.code != 0
    assert "repositories/toolkit: the key at http://10.98.0.1:8081/mirror/nvidia.github.io/" in run.output
    assert "instead of C95B321B61E88C1809C4F759DDCAE044F796ECB0; do not trust it" in run.output
    left = fleet.lab.run(BARE, "ls /etc/apt/sources.list.d /usr/share/keyrings | grep nvidia", check=False)
    assert left.stdout == ""


def test_a_mirror_that_does_not_answer_is_named(fleet: Fleet) -> None:
    left = "ls /etc/apt/sources.list.d /usr/share/keyrings /etc/apt/keyrings; dpkg-query -W docker.io 2>&1"
    before = fleet.lab.run(BARE, left, check=False).stdout
    run = fleet.converge("--limit", BARE, "--data", 'mirrors={"packages": "http://10.98.0.1:9"}')
    assert run.code != 0
    told = [line for line in run.lines if "cannot fetch its key from http://10.98.0.1:9/nvidia.github.io/" in line]
    assert len(told) == 1, run.output
    assert fleet.lab.run(BARE, left, check=False).stdout == before


def test_a_version_that_there_is_not_leaves_the_host_as_it_was(fleet: Fleet) -> None:
    left = "ls /etc/apt/sources.list.d /usr/share/keyrings; dpkg-query -W nvidia-container-toolkit 2>&1"
    before = fleet.lab.run(BARE, left, check=False).stdout
    run = fleet.converge("--limit", BARE, *mirror(), "--data", "toolkit_version=1.99.0-1")
    assert run.code != 0
    assert "packages: cannot install " in run.output
    assert "Version '1.99.0-1' for 'nvidia-container-toolkit' was not found" in run.output
    assert fleet.lab.run(BARE, left, check=False).stdout == before


def test_a_bare_host_gets_engine_and_toolkit(fleet: Fleet) -> None:
    """Docker of the distribution, NVIDIA's toolkit held at its version, the user's keys of daemon.json kept."""
    converged(fleet, BARE)
    assert cards(fleet, BARE) == ["nvidia0"]
    told = json.loads(fleet.lab.run(BARE, f"cat {DAEMON}").stdout)
    assert told == {**FOREIGN, "features": {"cdi": True}}
    held = fleet.lab.run(BARE, "apt-mark showhold").stdout.split()
    assert "nvidia-container-toolkit" in held
    assert fleet.ask(BARE) == " pong from lab"


def test_a_bare_host_gets_dockers_own_packages(fleet: Fleet) -> None:
    converged(fleet, OWN, "--data", "engine_from=docker")
    packages = fleet.lab.run(OWN, "dpkg-query -W -f '${Package} ' docker-ce docker-compose-plugin").stdout.split()
    assert packages == ["docker-ce", "docker-compose-plugin"]
    assert json.loads(fleet.lab.run(OWN, f"cat {DAEMON}").stdout) == FOREIGN
    assert fleet.ask(OWN) == " pong from lab"


@pytest.mark.parametrize("host", [OLD, NEW], ids=["Docker 20.10 by the hook", "Docker 28.5 by CDI"])
def test_what_is_there_is_adopted(fleet: Fleet, host: str) -> None:
    """Packages, holds, files of package sources, CDI specifications and daemon.json are as they were."""
    theirs = f"cat {DAEMON}; dpkg-query -W -f '${{Status}} ${{Package}} ${{Version}}\n' | sha256sum"
    theirs = f"{theirs}; find /etc/apt /etc/cdi -type f -exec sha256sum {{}} +"
    before = fleet.lab.run(host, theirs, check=False).stdout
    converged(fleet, host)
    assert len(cards(fleet, host)) == 1
    assert fleet.lab.run(host, theirs, check=False).stdout == before


def test_images_come_through_a_mirror(fleet: Fleet) -> None:
    """Under the mirror's name, then their own; one of the lab's registries stands in for the mirror."""
    for image in images.wanted():
        repository, _, tag = image.rpartition(":")
        registry.copy(repository.partition("/")[2], tag, f"mirror/{repository}")
    told = json.loads(mirror()[1].partition("=")[2]) | {"registry": "quay.io/mirror"}
    data = ("--data", f"mirrors={json.dumps(told)}", "--data", "engine_from=docker")
    converged(fleet, OWN, *data)
    used = fleet.lab.run(OWN, "docker ps --format '{{.Image}}'").stdout.split()
    assert sorted(name.split(":")[0] for name in used) == [
        "quay.io/mirror/docker.io/library/redis",
        "quay.io/mirror/ghcr.io/berriai/litellm",
        "quay.io/mirror/ghcr.io/ggml-org/llama.cpp",
    ]
    digests = fleet.lab.run(OWN, "docker images --digests --format '{{.Repository}} {{.Digest}}'").stdout
    assert all(f"{name.split(':')[0]} sha256:" in digests for name in used), "they were pulled from there"
    assert fleet.ask(OWN) == " pong from lab"


def test_a_reload_of_systemd_takes_no_card_away(fleet: Fleet) -> None:
    denied = "docker exec starter-llama-1 sh -c ': </dev/nvidiactl' 2>&1 | grep 'not permitted'"
    fleet.lab.run(BARE, "systemctl daemon-reload")
    assert fleet.lab.run(BARE, denied, check=False).stdout == ""
    assert cards(fleet, BARE) == ["nvidia0"]


def test_another_package_manager_is_waited_for(fleet: Fleet) -> None:
    """Somebody's apt holds its lock, and lets go after a while."""
    flock = "my \\$l = pack('s s x![q] q q i', 1, 0, 0, 0, 0); fcntl F, 6, \\$l or die"
    perl = f"open F, '>>', '/var/lib/dpkg/lock-frontend'; {flock}; sleep 15"
    fleet.lab.run(BARE, f'apt-mark unhold libnvidia-container1; systemd-run -q --unit=apt-lock perl -e "{perl}"')
    locked = fleet.lab.run(BARE, "sleep 1; dpkg --configure -a", check=False)
    assert "lock was locked by" in locked.stderr
    run = fleet.converge("--limit", BARE, *mirror())
    assert run.code == 0, run.output
    assert "libnvidia-container1" in fleet.lab.run(BARE, "apt-mark showhold").stdout.split()


def test_what_an_interrupted_package_manager_left_is_named_and_finished(fleet: Fleet) -> None:
    """A package is unpacked and not configured, as where the power went."""
    fleet.lab.run(
        BARE, "cd /tmp && apt-get -q download libnvidia-container1 && dpkg --unpack libnvidia-container1_*.deb"
    )
    dry = fleet.pyinfra("--dry", "inventory/lab.py", "--limit", BARE, *mirror(), "deploy.py")
    assert "half-installed: libnvidia-container1; nothing to do: `dpkg --configure -a` comes first" in dry.output
    converged(fleet, BARE)
    told = fleet.lab.run(BARE, "dpkg --audit; dpkg-query -W -f '${Status}' libnvidia-container1").stdout
    assert told == "hold ok installed"


def test_a_version_is_applied_where_somebody_took_the_hold_off(fleet: Fleet) -> None:
    toolkit = "nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1"
    for data, version in ((("--data", "toolkit_version=1.19.1-1"), "1.19.1-1"), ((), "1.20.0-1")):
        fleet.lab.run(BARE, f"apt-mark unhold {toolkit}")
        converged(fleet, BARE, *data)
        have = fleet.lab.run(BARE, f"dpkg-query -W -f '${{Version}} ' {toolkit}").stdout.split()
        assert have == [version] * 4
        assert {*toolkit.split()} <= {*fleet.lab.run(BARE, "apt-mark showhold").stdout.split()}


DRIVER = ("--data", "driver=install")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("never", "reboot = 'never'; reboot it (or set reboot = 'when_needed'), then run again"),
        ("ask", "there is no terminal to ask at; reboot it"),
        ("when_needed", "there, reboot_window is "),
    ],
)
def test_a_driver_waits_for_its_reboot(fleet: Fleet, setting: str, says: str) -> None:
    """The run ends well; the next one has nothing to do and says the same."""
    now = int(fleet.lab.run(NONE, "date +%H").stdout)
    window = f"{(now + 2) % 24:02}:00-{(now + 3) % 24:02}:00"
    data = (*DRIVER, "--data", f"reboot={setting}", "--data", f"reboot_window={window}")
    first = fleet.converge("--limit", NONE, *mirror(), *data)
    assert first.code == 0, first.output
    assert "gpus: the driver was installed and is loaded by the next boot; " in first.output
    assert says in first.output
    again = fleet.pyinfra("--json", "-y", "inventory/lab.py", "--limit", NONE, *mirror(), *data, "deploy.py")
    assert again.totals["success"] == 0, again.output


def test_cards_without_a_driver_get_one_by_one_reboot_each(fleet: Fleet) -> None:
    """One run: packages, a reboot, the plan of the cards that it brought, containers. One host after the other."""
    data = (*DRIVER, "--data", "reboot=when_needed")
    run = fleet.converge("--limit", NONE, "--limit", NONE2, *mirror(), *data)
    assert run.code == 0, run.output
    told = [line for line in run.lines if line.endswith("is back") or "rebooting: " in line]
    first, second = (line.split()[0] for line in told[::2])
    assert {first, second} == {f"[{NONE}]", f"[{NONE2}]"}
    assert [line.split()[0] for line in told] == [first, first, second, second]
    for host in (NONE, NONE2):
        converged(fleet, host, *data)
        assert cards(fleet, host) == ["nvidia0"]
        held = fleet.lab.run(host, "apt-mark showhold").stdout.split()
        assert {"nvidia-driver-cuda", "nvidia-kernel-open-dkms"} <= set(held)


def test_an_engine_that_starts_a_container_without_its_card_is_found_out(fleet: Fleet) -> None:
    """A specification whose device has no nodes: the container starts, and no tool says a word."""
    fleet.lab.run(
        NEW, 'cp -r /etc/cdi /root/cdi && sed -i \'s|"path": "/dev/nvidia[0-9]"|"path": "/dev/null"|\' /etc/cdi/*'
    )
    fleet.lab.run(NEW, "docker compose -p starter down")
    try:
        run = fleet.converge("--limit", NEW)
    finally:
        fleet.lab.run(NEW, "cp /root/cdi/* /etc/cdi/")
    assert run.code != 0
    assert "services/llama: sees no card instead of /dev/nvidia" in run.output
    assert fleet.converge("--limit", NEW).code == 0


@pytest.mark.parametrize("text", ["{log-driver: journald}", "[]", '{"debug": true} {}'])
def test_a_broken_daemon_json_is_refused_and_left(fleet: Fleet, text: str) -> None:
    fleet.lab.run(BARE, f"cp {DAEMON} /root/kept && printf '%s' '{text}' >{DAEMON}")
    try:
        run = fleet.converge("--limit", BARE, *mirror())
        after = fleet.lab.run(BARE, f"cat {DAEMON}").stdout
    finally:
        fleet.lab.run(BARE, f"cp /root/kept {DAEMON}")
    assert run.code != 0
    assert re.search(r"/etc/docker/daemon\.json(:\d+:\d+)?: is no JSON", run.output)
    assert after == text
    assert "Traceback" not in run.output
