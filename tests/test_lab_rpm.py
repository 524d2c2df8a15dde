"""Hosts with dnf 4, dnf 5 and zypper: from nothing to a container that sees its card, exact versions that stay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drive import Fleet, cards, converged, fresh, furnish, mirror
from tests.lab import Lab
from tests.lab.stock import TOOLKIT_PACKAGES

pytestmark = pytest.mark.lab
EL, FEDORA, LEAP = "rpel", "rpfedora", "rpleap"
HOSTS = {EL: "nvidia-no-driver@rocky+none", FEDORA: "nvidia-no-driver@fedora+none", LEAP: "rtx4090@leap+none"}
DRIVER = ("--data", "engine_from=docker", "--data", "driver=install", "--data", "reboot=when_needed")
OLDER = ("--data", "toolkit_version=1.19.1-1")
LOCKED = {EL: "cat /etc/dnf/plugins/versionlock.list", FEDORA: "cat /etc/dnf/versionlock.toml", LEAP: "zypper locks"}
UPGRADE = {EL: "dnf -y upgrade", FEDORA: "dnf -y upgrade", LEAP: "zypper -n update"}


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[Fleet]:
    with fresh(lab, HOSTS) as fleet:
        furnish(fleet, *HOSTS)
        yield fleet


def versions(fleet: Fleet, host: str, *names: str) -> set[str]:
    return set(fleet.lab.run(host, f"rpm -q --qf '%{{VERSION}}-%{{RELEASE}}\\n' {' '.join(names)}").stdout.split())


@pytest.mark.parametrize("host", [FEDORA, LEAP])
def test_a_key_that_is_not_the_vendors_is_refused(fleet: Fleet, host: str) -> None:
    data = DRIVER if host == FEDORA else ()
    wrong = "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
    run = fleet.converge("--limit", host, *mirror(toolkit=wrong, docker=wrong), *data)
    assert run.code != 0
    assert f"instead of {wrong}; do not trust it" in run.output
    left = "ls /etc/yum.repos.d /etc/zypp/repos.d /etc/pki/rpm-gpg 2>/dev/null | grep -E 'nvidia|docker'"
    assert fleet.lab.run(host, left, check=False).stdout == ""


def test_enterprise_linux_needs_what_builds_modules(fleet: Fleet) -> None:
    run = fleet.converge("--limit", EL, *mirror(), *DRIVER)
    assert run.code != 0
    assert "dkms, which builds the driver's modules, comes from EPEL, which is not there; enable CRB" in run.output
    assert fleet.lab.run(EL, "rpm -q docker-ce", check=False).returncode != 0
    fleet.lab.run(EL, "dnf -q -y install dkms")


def test_bare_hosts_get_driver_engine_and_toolkit(fleet: Fleet) -> None:
    """The driver's branch by a stream of a module with dnf 4, by its version with dnf 5."""
    run = fleet.converge("--limit", EL, "--limit", FEDORA, *mirror(), *DRIVER)
    assert run.code == 0, run.output
    for host in (EL, FEDORA):
        assert f"[{host}] is back" in " ".join(run.output.split())
        converged(fleet, host, *DRIVER)
        assert versions(fleet, host, "nvidia-driver-cuda", "kmod-nvidia-open-dkms") == {"580.178.04-1.el9"}
        assert cards(fleet, host) == ["nvidia0"]
        assert fleet.lab.run(host, "rpm -q docker-ce docker-compose-plugin").returncode == 0
        locked = fleet.lab.run(host, LOCKED[host]).stdout
        assert all(name in locked for name in (*TOOLKIT_PACKAGES, "nvidia-driver-cuda", "kmod-nvidia-open-dkms"))
        assert fleet.ask(host) == " pong from lab"


def test_a_bare_host_with_zypper_gets_its_own_engine(fleet: Fleet) -> None:
    converged(fleet, LEAP)
    assert cards(fleet, LEAP) == ["nvidia0"]
    assert fleet.lab.run(LEAP, "rpm -q docker docker-compose").returncode == 0
    assert fleet.ask(LEAP) == " pong from lab"


@pytest.mark.parametrize("host", HOSTS)
def test_an_older_version_is_put_there_and_stays(fleet: Fleet, host: str) -> None:
    data = DRIVER if host != LEAP else ()
    assert versions(fleet, host, *TOOLKIT_PACKAGES) == {"1.20.0-1"}
    converged(fleet, host, *data, *OLDER)
    fleet.lab.run(host, UPGRADE[host])
    assert versions(fleet, host, *TOOLKIT_PACKAGES) == {"1.19.1-1"}
    run = fleet.converge("--limit", host, *mirror(), *data, "--data", "toolkit_version=9.9.9-1")
    assert run.code != 0
    assert "packages: cannot install nvidia-container-toolkit=9.9.9-1" in run.output
    fleet.lab.run(host, UPGRADE[host])
    assert versions(fleet, host, *TOOLKIT_PACKAGES) == {"1.19.1-1"}, "what was locked still is"


@pytest.mark.parametrize("host", HOSTS)
def test_another_package_manager_is_waited_for(fleet: Fleet, host: str) -> None:
    """Somebody's installs something that takes its time."""
    data = DRIVER if host != LEAP else ()
    slow = "zypper -n install lab-slow" if host == LEAP else "dnf -y install lab-slow"
    fleet.lab.run(host, f"systemd-run -q --unit=slow {slow}; sleep 3; systemctl is-active slow")
    run = fleet.converge("--limit", host, *mirror(), *data)
    assert run.code == 0, run.output
    assert versions(fleet, host, *TOOLKIT_PACKAGES) == {"1.20.0-1"}
    assert fleet.lab.run(host, "rpm -q lab-slow").returncode == 0
