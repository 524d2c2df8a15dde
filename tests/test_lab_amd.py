"""AMD's cards: CDI devices by their own names on a bare host, and a driver for a card that has none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.drive import DAEMON, FOREIGN, ROOT, Fleet, converged, fresh, furnish, mirror
from tests.lab import Lab

pytestmark = pytest.mark.lab
CARDS, NONE = "amcards", "amnone"
HOSTS = {CARDS: "two-radeon+none", NONE: "amd-no-driver"}
CDI = ["--data", "amd_access=cdi"]
SEEN = "docker exec starter-llama-1 sh -c 'cd /dev && ls kfd dri/renderD*'"
HOWTO = ROOT / "docs" / "howto.md"
SPEC = "/var/run/cdi/gpufleet-amd.json"
THING = {"name": "x", "containerEdits": {"env": ["X=y"]}}
MINE = json.dumps({"cdiVersion": "0.5.0", "kind": "example.com/thing", "devices": [THING]})
# The next boot finds the cards in another order: each has the other's number.
SWAP = """
cd /usr/local/lib/lab/capture/fs/sys && cd devices/pci0000:00
mv 0000:03:00.0/drm/renderD128 0000:03:00.0/drm/renderD129
mv 0000:83:00.0/drm/renderD129 0000:83:00.0/drm/renderD128
cd ../../class/kfd/kfd/topology/nodes
sed -i 's/^drm_render_minor .*/drm_render_minor 129/' 1/properties
sed -i 's/^drm_render_minor .*/drm_render_minor 128/' 2/properties
"""


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, HOSTS) as fleet:
        furnish(fleet, CARDS)
        yield fleet


def names(fleet: Fleet) -> list[str]:
    return fleet.lab.run(CARDS, f"jq -r '.kind, .devices[].name' {SPEC}").stdout.split()


def test_a_container_gets_its_card_as_a_cdi_device(fleet: Fleet) -> None:
    """The second of two cards: whoever goes by the index, or gives all, is found out."""
    converged(fleet, CARDS, *CDI)
    assert fleet.lab.run(CARDS, SEEN).stdout.split() == ["dri/renderD129", "kfd"]
    assert names(fleet) == ["amd.com/gpu", "0000:03:00.0", "GPU-9a0b1c2d3e4f5061"]
    assert fleet.lab.run(CARDS, "ls /etc/cdi", check=False).stdout == ""
    assert json.loads(fleet.lab.run(CARDS, f"cat {DAEMON}").stdout) == {**FOREIGN, "features": {"cdi": True}}
    assert "amd-container-toolkit" in fleet.lab.run(CARDS, "apt-mark showhold").stdout.split()
    assert fleet.ask(CARDS) == " pong from lab"


def test_a_boot_that_counts_the_cards_in_another_order_gives_the_same_card(fleet: Fleet) -> None:
    """No run of ours is needed for that, and none has anything to do afterwards."""
    fleet.lab.run(CARDS, SWAP)
    fleet.lab.reboot(CARDS)
    fleet.wait_for(CARDS)
    assert fleet.lab.run(CARDS, SEEN).stdout.split() == ["dri/renderD128", "kfd"]
    again = fleet.pyinfra("--json", "-y", "inventory/lab.py", "--limit", CARDS, *mirror(), *CDI, "deploy.py")
    assert again.totals["success"] == 0, again.output


def test_a_damaged_program_of_ours_is_mended(fleet: Fleet) -> None:
    fleet.lab.run(CARDS, f"echo exit >>/usr/local/lib/gpufleet/amd-cdi; rm {SPEC}")
    converged(fleet, CARDS, *CDI)
    assert "GPU-9a0b1c2d3e4f5061" in names(fleet)


def test_another_version_takes_nothing_of_the_users_away(fleet: Fleet) -> None:
    """AMD's package removes /etc/cdi and Docker's switch when it is replaced."""
    fleet.lab.run(CARDS, f"mkdir -p /etc/cdi && echo '{MINE}' >/etc/cdi/mine.json")
    before = fleet.lab.run(CARDS, f"cat {DAEMON}").stdout
    converged(fleet, CARDS, *CDI, "--data", "amd_toolkit_version=1.2.0")
    installed = fleet.lab.run(CARDS, "dpkg-query -W -f '${Version}' amd-container-toolkit").stdout
    assert installed == "1.2.0~24.04"
    assert fleet.lab.run(CARDS, "cat /etc/cdi/mine.json").stdout == f"{MINE}\n"
    assert fleet.lab.run(CARDS, f"cat {DAEMON}").stdout == before


def test_back_to_nodes_what_is_left_can_be_taken_off_as_documented(fleet: Fleet) -> None:
    converged(fleet, CARDS)
    assert fleet.lab.run(CARDS, SEEN).stdout.split() == ["dri/renderD128", "kfd"]
    (commands,) = re.findall(r"```sh\n(systemctl disable --now gpufleet.*?)```", HOWTO.read_text(), re.DOTALL)
    before = fleet.lab.run(CARDS, f"cat {DAEMON} /etc/cdi/mine.json").stdout
    fleet.lab.run(CARDS, f"set -e\n{commands}")
    assert fleet.lab.run(CARDS, f"cat {DAEMON} /etc/cdi/mine.json").stdout == before
    fleet.lab.reboot(CARDS)
    fleet.wait_for(CARDS)
    assert fleet.lab.run(CARDS, "systemctl is-failed '*cdi*'; ls /var/run/cdi", check=False).stdout == ""
    again = fleet.pyinfra("--json", "-y", "inventory/lab.py", "--limit", CARDS, *mirror(), "deploy.py")
    assert again.totals["success"] == 0, again.output


def test_a_radeon_without_a_driver_gets_one_and_its_host_one_reboot(fleet: Fleet) -> None:
    """One run: the driver, a reboot, the toolkit, which AMD's package refuses before, and the card by its name."""
    data = [*CDI, "--data", "driver=install", "--data", "reboot=when_needed"]
    run = fleet.converge("--limit", NONE, *mirror(), *data)
    assert run.code == 0, run.output
    assert run.output.count("rebooting: the driver was installed") == 1
    assert fleet.lab.run(NONE, "cat /sys/module/amdgpu/version").stdout.startswith("6.18.4")
    assert fleet.lab.run(NONE, SEEN).stdout.split() == ["dri/renderD128", "kfd"]
    held = fleet.lab.run(NONE, "apt-mark showhold").stdout.split()
    assert {"amdgpu-dkms", "amd-container-toolkit"} <= set(held)
    assert " 100 http" in fleet.lab.run(NONE, "apt-cache policy | grep repo.radeon.com").stdout
    converged(fleet, NONE, *data)
