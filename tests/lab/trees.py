"""Root file systems from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import rpm_hosts
from .paths import FILES, GATEWAY
from .shell import cached, run
from .wheels import compose

MACHINE_PACKAGES = (
    "mmdebstrap systemd-container iproute2 openssh-client openssl pigz busybox debian-archive-keyring ca-certificates "
    "gnupg rpm createrepo-c"
)
HOST_PACKAGES = (
    "systemd,systemd-sysv,dbus,openssh-server,docker.io,docker-cli,docker-compose,iptables,iproute2,procps,"
    "curl,ca-certificates,apt-utils"
)
BARE_PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,iproute2,procps,kmod,ca-certificates,apt-utils"
PODMAN_PACKAGES = f"{BARE_PACKAGES},curl,podman,nftables,aardvark-dns,docker-cli,docker-compose"
# Debian 12 has Docker's client within docker.io, and no compose of version 2.
BOOKWORM_PACKAGES = HOST_PACKAGES.replace("docker-cli,docker-compose,", "")
IMAGE_PACKAGES = "python3,curl,wget,ca-certificates,redis-server"
LLAMA_PACKAGES = "llama.cpp-tools,curl,ca-certificates"
# A web server, a name server to look its neighbours up, and a browser that can be driven.
WEB_PACKAGES = "nginx-light,dnsmasq-base,chromium,chromium-driver,fonts-dejavu-core"
SERVICE_PACKAGES = "docker-registry,apt-cacher-ng"


def machine_packages() -> None:
    """What the lab itself runs with."""
    missing = [p for p in MACHINE_PACKAGES.split() if not _installed(p)]
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
        subprocess.run(command, env=environment, capture_output=True, check=True)


def _installed(package: str) -> bool:
    return "ok installed" in run("dpkg-query", "-W", "-f", "${Status}", package, check=False)


def host_tree(suite: str = "trixie", engine: str = "docker") -> Path:
    """Debian with sshd and a container engine, or with another package manager."""
    if suite in rpm_hosts.BASE:
        suite, engine = rpm_hosts.BASE[suite], "rpm"
    files = sorted(p for p in (FILES / "host").rglob("*") if p.is_file())
    packages = _host_packages(suite, engine)
    recipe = packages + "".join(f"{p.relative_to(FILES)} {p.stat().st_mode}\n{p.read_text()}" for p in files)
    recipe += rpm_hosts.recipe() if engine == "rpm" else ""
    name = "host" if (suite, engine) == ("trixie", "docker") else f"host-{suite}-{engine}"
    return cached(name, recipe, lambda folder: _make_host(folder / "root", suite, engine)) / "root"


def _host_packages(suite: str, engine: str) -> str:
    with_docker = BOOKWORM_PACKAGES if suite == "bookworm" else HOST_PACKAGES
    if engine == "rpm":
        return rpm_hosts.packages(suite)
    return {"docker": with_docker, "podman": PODMAN_PACKAGES, "none": BARE_PACKAGES}[engine]


def _make_host(root: Path, suite: str, engine: str) -> None:
    debootstrap(suite, root, _host_packages(suite, engine))
    if (suite, engine) == ("bookworm", "docker"):
        plugins = root / "usr/libexec/docker/cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        shutil.copy(compose(), plugins)
    shutil.copytree(FILES / "host", root, dirs_exist_ok=True)
    run("chroot", root, "systemctl", "enable", "lab-cgroups.service", "lab-hardware.service", "ssh.service")
    run("chroot", root, "ssh-keygen", "-A")
    (root / "etc/apt/apt.conf.d/90lab").write_text(f'Acquire::http::Proxy "http://{GATEWAY}:3142";\n')
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    # Nothing answers there: look-ups fail at once instead of after a minute.
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    (root / "etc/machine-id").write_text("")
    if engine == "rpm":
        rpm_hosts.make(root)


def image_tree() -> Path:
    """Debian 13 with Python and Redis: the first layer of every image."""
    return cached("image", IMAGE_PACKAGES, lambda f: debootstrap("trixie", f / "root", IMAGE_PACKAGES)) / "root"


def llama_tree() -> Path:
    """Debian unstable, the release that has llama.cpp. It picks its code for the processor when it starts."""
    return cached("llama", LLAMA_PACKAGES, _make_llama) / "root"


def _make_llama(folder: Path) -> None:
    debootstrap("sid", folder / "root", LLAMA_PACKAGES)
    app = folder / "root" / "app"
    app.mkdir()
    (app / "llama-server").symlink_to("/usr/bin/llama-server")  # where upstream's image has it


def web_tree() -> Path:
    """nginx, dnsmasq and Chromium."""
    return cached("web", WEB_PACKAGES, lambda f: debootstrap("trixie", f / "root", WEB_PACKAGES)) / "root"


def service_tree() -> Path:
    """A registry and a package cache, unpacked and not installed: installing would start them on every address."""
    return cached("services", SERVICE_PACKAGES, _make_services) / "root"


def _make_services(folder: Path) -> None:
    # Debian 12 is the last release that has docker-registry.
    debootstrap("bookworm", folder / "root", SERVICE_PACKAGES)


def debootstrap(suite: str, root: Path, packages: str) -> None:
    """A minimal Debian with ``packages``, which are installed but not started."""
    policy = '"$1/usr/sbin/policy-rc.d"'
    setup = f'mkdir -p "$1/usr/sbin"; printf "#!/bin/sh\\nexit 101\\n" >{policy}; chmod 755 {policy}'
    share = "usr/share"
    finish = f'rm {policy}; cd "$1" && rm -rf var/lib/apt/lists/* {share}/doc/* {share}/locale/* {share}/man/*'
    # A mirror may be some weeks old; what it holds is signed all the same.
    old = '--aptopt=Acquire::Check-Valid-Until "false"'
    hooks = (f"--setup-hook={setup}", f"--customize-hook={finish}")
    run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", old, *hooks, suite, root)


def install_packages(root: Path, packages: str) -> None:
    """Debian's packages into a tree that is one already, without what they would start or explain."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    apt = "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Check-Valid-Until=false"
    clean = "rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc /usr/share/man /usr/share/locale"
    run("chroot", root, "sh", "-ec", f"{apt} update; {apt} install --no-install-recommends {packages}; {clean}")


@contextmanager
def overlay(lower: Path, folder: Path) -> Iterator[Path]:
    """``lower`` seen through ``folder``/upper, which takes what is written."""
    upper, work, merged = (folder / name for name in ("upper", "work", "merged"))
    for path in (upper, work, merged):
        path.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", merged)
    try:
        yield merged
    finally:
        run("umount", merged)
