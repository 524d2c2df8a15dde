"""Hosts whose package manager is dnf 4, dnf 5 or zypper, as Debian has them: the rest of such a host is Debian's.

Real are the package managers, rpm and its database, which knows of nothing but what they install. Not real is the
distribution: its name, and the few packages that gpufleet takes from it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from . import archive, rpms
from .packages import Package
from .paths import GATEWAY
from .shell import run

BASE = {"rocky": "trixie", "leap": "trixie", "fedora": "sid"}
PACKAGES = (
    "systemd,systemd-sysv,dbus,openssh-server,iproute2,procps,kmod,ca-certificates,curl,iptables,gpg,libseccomp2,rpm"
)
MANAGERS = {"trixie": "dnf,dnf-plugins-core,python3-systemd,zypper", "sid": "dnf5"}
RELEASES = {
    "rocky": 'ID="rocky"\nVERSION_ID="9.6"\nPLATFORM_ID="platform:el9"\n',
    "fedora": 'ID=fedora\nVERSION_ID=43\nPLATFORM_ID="platform:f43"\n',
    "leap": 'ID="opensuse-leap"\nVERSION_ID="15.6"\n',
}
REPOSITORY = f"""[distribution]
name=distribution
baseurl=http://{GATEWAY}:8081/mirror/distributions
enabled=1
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/distribution.asc
"""


def packages(suite: str) -> str:
    """Debian's, with what its release ``suite`` has of package managers."""
    return f"{PACKAGES},{MANAGERS[suite]}"


def recipe() -> str:
    """What a tree depends on."""
    return f"{archive.key()}{rpms.TOLD['lab-release']}{Path(__file__).read_text()}"


def make(root: Path) -> None:
    """Take Debian's package manager out of a tree, and give rpm a database."""
    for pattern in ("dpkg*", "apt", "apt-*"):
        for program in (root / "usr/bin").glob(pattern):
            program.unlink()
    # Debian's dnf has a repository of what was installed, which nobody has signed.
    for local in (root / "etc/dnf").glob("*plugins/local.conf"):
        local.write_text("[main]\nenabled = false\n")
    if not (root / "usr/bin/dnf").exists():
        (root / "usr/bin/dnf").symlink_to("dnf5")
    key = root / "etc/pki/rpm-gpg/distribution.asc"
    archive.publish_keys(key)
    with tempfile.TemporaryDirectory() as work:
        rpms.build(Package("lab-release", "9-1"), Path(work), root / "root")
    run("chroot", root, "rpm", "-i", "--nosignature", "/root/lab-release-9-1.x86_64.rpm")
    run("chroot", root, "rpm", "--import", "/etc/pki/rpm-gpg/distribution.asc")


def furnish(root: Path, suite: str) -> None:
    """Its distribution, and of two package managers the one that is its own."""
    (root / "etc/os-release").unlink()
    (root / "etc/os-release").write_text(RELEASES[suite])
    other, folder = ("dnf", "zypp/repos.d") if suite == "leap" else ("zypper", "yum.repos.d")
    (root / "usr/bin" / other).unlink(missing_ok=True)
    place = root / "etc" / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "distribution.repo").write_text(REPOSITORY)
