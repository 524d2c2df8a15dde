"""The doctor on a converged host: real ills, each named with its evidence, and nothing that is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drive import ROOT, Fleet, fresh
from tests.lab import Lab

pytestmark = pytest.mark.lab
HOST, CONTAINER = "doc1", "starter-llama-1"
# True of every host of the lab: it has no time service, and its CUDA image holds a CPU program.
USUAL = {"HOST-TIME", "GPU-ON-CPU", "GPU-IDLE"}
HAND = """
docker stop starter-redis-1
echo '# mine' >>/srv/gpufleet/current/compose.yaml
chmod 644 /srv/gpufleet/.env
chown 7:7 /srv/gpufleet/data/redis
systemctl disable gpufleet@starter
"""
DEVICES = "d=$(echo /sys/fs/cgroup/devices/docker/$(docker ps -q --no-trunc -f name=llama)); test -d $d"


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, {HOST: "rtx4090"}) as fleet:
        assert fleet.converge().code == 0
        yield fleet


def findings(fleet: Fleet, file: Path, *data: str) -> dict[str, list[str]]:
    """Evidence by id."""
    command = ("-y", "inventory/lab.py", *fleet.limit(()), *data, "gpufleet.deploys.doctor", f"report={file}")
    run = fleet.pyinfra(*command)
    assert run.code == 0, run.output
    assert "Traceback" not in run.output
    told: list[dict[str, Any]] = json.loads(file.read_text())["findings"]
    return {f["id"]: [f"{s['where']}: {s['what']}" for s in f["seen"]] for f in told}


def test_a_converged_host_has_what_the_lab_has(fleet: Fleet, tmp_path: Path) -> None:
    before = fleet.snapshot(HOST)
    found = findings(fleet, tmp_path / "report")
    assert found.keys() == USUAL
    assert "no usable GPU found" in found["GPU-ON-CPU"][0]
    assert found["GPU-IDLE"][0].startswith(f"{CONTAINER}: none of its processes is on a card (PIDs ")
    assert fleet.snapshot(HOST) == before, "the doctor changes nothing"


def test_the_command_says_the_same_and_ends_with_how_bad_it_is(fleet: Fleet, tmp_path: Path) -> None:
    told = [sys.executable, "-m", "gpufleet", "doctor", "inventory/lab.py", *fleet.limit(())]
    as_json, page, away = (
        subprocess.run([*told, *more], cwd=ROOT, capture_output=True, text=True, check=False)
        for more in (["--json"], [], ["--data", "ssh_port=9"])
    )
    assert {f["id"] for f in json.loads(as_json.stdout)["findings"]} == USUAL
    assert (as_json.returncode, page.returncode, page.stderr) == (3, 3, ""), "GPU-ON-CPU blocks"
    assert page.stdout.splitlines()[-1] == "1 host, 1 with something that blocks"
    assert (away.returncode, away.stdout) == (1, "")
    assert away.stderr.startswith(f"{HOST}: host: cannot be reached: ")


def test_a_container_that_lost_its_card_is_named(fleet: Fleet, tmp_path: Path) -> None:
    """As `systemctl daemon-reload` does it to a container of the runtime hook: the device rules are gone."""
    fleet.lab.run(HOST, f"{DEVICES}; echo 'c 195:255 rwm' >$d/devices.deny")
    try:
        found = findings(fleet, tmp_path / "report")
    finally:
        fleet.lab.run(HOST, f"{DEVICES}; echo 'c 195:255 rwm' >$d/devices.allow")
    assert found.keys() == USUAL | {"GPU-CONTAINER-LOST"}
    assert "Operation not permitted" in found["GPU-CONTAINER-LOST"][0]


def test_what_was_changed_by_hand_is_drift_until_the_next_run(fleet: Fleet, tmp_path: Path) -> None:
    fleet.lab.run(HOST, HAND)
    found = findings(fleet, tmp_path / "report")
    assert found.keys() == USUAL | {"ENG-DRIFT"}
    assert {line.split(": ")[1] for line in found["ENG-DRIFT"]} == {
        "redis",
        "compose.yaml",
        "/srv/gpufleet/.env",
        "/srv/gpufleet/data/redis",
        "/etc/systemd/system/gpufleet@.service",
    }
    assert fleet.converge().code == 0
    assert findings(fleet, tmp_path / "report").keys() == USUAL


def test_a_driver_that_was_updated_below_a_running_stack_is_named(fleet: Fleet, tmp_path: Path) -> None:
    """Before the next start of a container breaks: the module that runs, and libraries of another version."""
    cuda = f"{fleet.lab.mirror()['url']}/developer.download.nvidia.com/compute/cuda/repos/debian13/x86_64/"
    deb = f"deb [trusted=yes] {cuda} /"
    install = "DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends"
    fleet.lab.run(HOST, f"echo '{deb}' >/etc/apt/sources.list.d/cuda.list && apt-get -q update && {install} kmod")
    fleet.lab.run(HOST, f"{install} linux-headers-$(uname -r) nvidia-driver-cuda nvidia-kernel-open-dkms")
    found = findings(fleet, tmp_path / "report")
    assert "loaded module 580.95.05" in found["GPU-DRIVER-SKEW"][0]


def test_the_hosts_own_ills_are_named(fleet: Fleet, tmp_path: Path) -> None:
    ills = """
    mount -t tmpfs -o size=1m tmpfs /dev/shm
    mount -t tmpfs -o nr_inodes=40 tmpfs /srv/gpufleet/data && cd /srv/gpufleet/data && touch $(seq 39)
    mkdir -p /etc/ufw && echo ENABLED=yes >/etc/ufw/ufw.conf
    rm /dev/nvidia-uvm
    """
    fleet.lab.run(HOST, ills)
    try:
        closed = "http://127.0.0.1:9"
        found = findings(
            fleet, tmp_path / "report", "--data", f'mirrors={{"packages": "{closed}", "registry": "no.such"}}'
        )
    finally:
        mend = "umount /dev/shm /srv/gpufleet/data; rm /etc/ufw/ufw.conf; /usr/local/lib/lab/hardware"
        fleet.lab.run(HOST, mend, check=False)
    assert found["HOST-SHM"] == ["/dev/shm: 1 MiB are free"]
    assert found["NET-FIREWALL"] == ["host: ufw is on"]
    assert found["NET-MIRROR"] == ["host: 127.0.0.1:9 does not accept a connection"]
    assert found["HOST-DNS"] == ["host: no.such does not resolve"]
    assert found["GPU-UVM"] == ["host: /dev/nvidiactl is there, /dev/nvidia-uvm is not"]
