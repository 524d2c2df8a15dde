"""The vendors' repositories for distributions with .rpm, and what those distributions themselves are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from . import archive, rpms
from .packages import Package, debian
from .paths import FILES
from .stock import DRIVERS, ENGINE, TOOLKIT, TOOLKIT_PACKAGES
from .wheels import COMPOSE, compose

# NVIDIA's streams of a branch, and the modules that each has.
STREAMS = {"open": "kmod-nvidia-open-dkms", "dkms": "kmod-nvidia-latest-dkms"}


def make(root: Path, work: Path) -> None:
    """Fill the mirror ``root``. Packages of all distributions are the same; their names say Enterprise Linux 9."""
    work.mkdir(parents=True)
    docker = root / "download.docker.com/linux"
    _publish(docker / "centos/9/x86_64/stable", docker_packages(), work)
    archive.publish_keys(docker / "centos/gpg")
    _same(docker / "fedora/43", docker / "centos/9")
    archive.publish_keys(docker / "fedora/gpg")
    toolkit = (Package(name, version) for version in TOOLKIT for name in TOOLKIT_PACKAGES)
    _publish(root / "nvidia.github.io/libnvidia-container/stable/rpm/x86_64", toolkit, work)
    _cuda(root / "developer.download.nvidia.com/compute/cuda/repos", work)
    _publish(root / "distributions", distribution(), work)
    archive.publish_keys(root / "distributions/key.asc")


def _publish(place: Path, packages: Iterator[Package], work: Path) -> None:
    for package in packages:
        rpms.build(package, work, place)
    rpms.repository(place)


def _same(place: Path, as_this: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(os.path.relpath(as_this, place.parent))


def _programs(names: str) -> dict[str, Path]:
    own = debian("trixie", ENGINE)
    found = {path.name: path for folder in ("bin", "sbin") for path in (own.tree / "usr" / folder).iterdir()}
    return {f"usr/bin/{name}": found[name] for name in names.split()}


def docker_packages() -> Iterator[Package]:
    """Docker's own."""
    version = debian("trixie", ENGINE).versions
    engine = f"{version['docker.io']}-1.el9"
    yield Package("docker-ce", f"3:{engine}", programs=_programs("dockerd docker-proxy docker-init"))
    yield Package("docker-ce-cli", f"1:{engine}", programs=_programs("docker"))
    programs = _programs("containerd containerd-shim-runc-v2 ctr runc")
    yield Package("containerd.io", f"{version['containerd']}-1.el9", programs=programs)
    yield _plugin("docker-compose-plugin", "1.el9")


def _plugin(name: str, release: str) -> Package:
    place = {"usr/libexec/docker/cli-plugins/docker-compose": compose()}
    return Package(name, f"{COMPOSE.partition('==')[2]}-{release}", programs=place, folder="docker-compose-plugin")


def _cuda(root: Path, work: Path) -> None:
    """By distribution: Enterprise Linux 9 has a module with streams, Fedora has not."""
    for place in (root / "rhel9/x86_64", root / "fedora43/x86_64"):
        for driver in DRIVERS:
            for package in _driver(f"3:{driver}-1.el9"):
                rpms.build(package, work, place)
        archive.publish_keys(place / "D42D0685.pub")
    place = root / "rhel9/x86_64"
    branches = [(driver, stream, kmod) for driver in DRIVERS for stream, kmod in STREAMS.items()]
    rpms.repository(place, [_stream(place, *branch) for branch in branches])
    rpms.repository(root / "fedora43/x86_64")


def _driver(version: str) -> Iterator[Package]:
    replay = {"usr/lib/lab/nvidia-smi": FILES / "replay"}
    yield Package("nvidia-driver-cuda", version, programs=replay)
    for stream, kmod in STREAMS.items():
        flavour = "open" if stream == "open" else "proprietary"
        yield Package(kmod, version, {"FLAVOUR": flavour}, folder="nvidia-kernel")


def _stream(place: Path, driver: str, stream: str, kmod: str) -> dict[str, object]:
    files = sorted(p for name in ("nvidia-driver-cuda", kmod) for p in place.glob(f"{name}-{driver}-*.rpm"))
    return rpms.module("nvidia-driver", f"{driver.partition('.')[0]}-{stream}", files)


def distribution() -> Iterator[Package]:
    """What gpufleet takes from a distribution itself."""
    kernel = {"KERNEL": os.uname().release}
    yield Package("dkms", "3.2.2-1")
    yield Package("lab-slow", "1-1", folder="lab-release")
    yield Package("kernel-devel", "99-1", kernel)
    version = debian("trixie", ENGINE).versions
    engine = _programs("dockerd docker-proxy docker-init docker")
    yield Package("docker", f"{version['docker.io']}-1", programs=engine, folder="docker-ce")
    programs = _programs("containerd containerd-shim-runc-v2 ctr runc")
    yield Package("containerd", f"{version['containerd']}-1", programs=programs, folder="containerd.io")
    yield _plugin("docker-compose", "1")
