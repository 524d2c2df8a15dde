"""A mirror of the vendors' repositories: their paths, names, versions and units, signed by the lab's own key.

Those of .deb are here, those of .rpm in rpm_vendors.

Real are Docker's programs, which Debian built. Everything of NVIDIA and AMD is a stand-in, and says so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import archive, rpm_vendors, stock
from .packages import Debian, Package, debian
from .paths import FILES, GATEWAY, MIRROR, RUN
from .shell import cached
from .wheels import COMPOSE, compose

URL = f"http://{GATEWAY}:8081/mirror"
ENGINE = {
    "bookworm": "docker.io containerd runc tini",
    "trixie": stock.ENGINE,
}
RELEASES = {"bookworm": "12", "trixie": "13"}
# Debian's release, and NVIDIA's name of the key that signs for it.
CUDA = {"debian12": "3bf863cc.pub", "debian13": "8793F200.pub"}
FLAVOURS = {"nvidia-kernel-open-dkms": "open", "nvidia-kernel-dkms": "proprietary"}
UBUNTU = {"jammy": "22.04", "noble": "24.04"}
AMD_TOOLKIT = ("1.2.0", "1.3.0")


def publish() -> dict[str, str]:
    """Serve the mirror: its URL, and the fingerprint of its key."""
    here = mirror()
    RUN.mkdir(parents=True, exist_ok=True)
    link = RUN / "mirror.new"
    link.unlink(missing_ok=True)
    link.symlink_to(here)
    link.replace(MIRROR)
    return {"url": URL, "fingerprint": (archive.key() / "fingerprint").read_text()}


def mirror() -> Path:
    """The folder with one folder a vendor's host."""
    files = sorted(p for p in (FILES / "vendors").rglob("*") if p.is_file())
    modules = ("vendors", "stock", "packages", "archive", "rpm_vendors", "rpms")
    sources = [*files, FILES / "rpms.yaml", *(Path(__file__).parent / f"{name}.py" for name in modules)]
    told = "".join(f"{p.name} {p.stat().st_mode}\n{p.read_text()}" for p in sources)
    return cached("mirror", f"{told} {COMPOSE} {os.uname().release} {archive.key()}", _make) / "root"


def _make(folder: Path) -> None:
    root, work = folder / "root", folder / "work"
    _docker(root / "download.docker.com/linux/debian", work)
    _toolkit(root / "nvidia.github.io/libnvidia-container", work)
    for release in CUDA:
        _cuda(root / "developer.download.nvidia.com/compute/cuda/repos" / release / "x86_64", release, work)
    _radeon(root / "repo.radeon.com", work)
    rpm_vendors.make(root, work / "rpms")
    shutil.rmtree(work)


def _docker(root: Path, work: Path) -> None:
    for suite in ENGINE:
        for package in _engine(suite):
            package.build(work, root / f"dists/{suite}/pool/stable/amd64")
        archive.suite(root, suite, "stable", {"Origin": "Docker", "Label": "Docker CE"})
    archive.publish_keys(root / "gpg")


def _engine(suite: str) -> Iterator[Package]:
    """Docker's packages: the programs of this release of Debian, the plugins the same for each."""
    own, newest = debian(suite, ENGINE[suite]), debian("trixie", ENGINE["trixie"])
    end = f"-1~debian.{RELEASES[suite]}~{suite}"
    engine = f"5:{own.versions['docker.io']}{end}"
    plugins = "usr/libexec/docker/cli-plugins"
    yield _package("docker-ce", engine, own, "docker.io", "usr/sbin/dockerd usr/sbin/docker-proxy usr/bin/docker-init")
    yield _package("docker-ce-cli", engine, own, "docker.io", "usr/bin/docker")
    programs = "usr/bin/containerd usr/bin/containerd-shim-runc-v2 usr/bin/ctr usr/sbin/runc"
    yield _package("containerd.io", own.versions["containerd"] + end, own, "runc", programs)
    version = COMPOSE.partition("==")[2]
    yield Package("docker-compose-plugin", version + end, programs={f"{plugins}/docker-compose": compose()})
    buildx = {f"{plugins}/docker-buildx": newest.tree / plugins / "docker-buildx"}
    yield Package("docker-buildx-plugin", newest.versions["docker-buildx"] + end, programs=buildx)


def _package(name: str, version: str, own: Debian, like: str, programs: str) -> Package:
    """Programs of Debian's where Docker has them: all in usr/bin. They need the libraries of Debian's ``like``."""
    places = {f"usr/bin/{Path(path).name}": own.tree / path for path in programs.split()}
    return Package(name, version, {"LIBRARIES": own.libraries[like]}, places)


def _toolkit(root: Path, work: Path) -> None:
    place = root / "stable/deb/amd64"
    for version in stock.TOOLKIT:
        for name in stock.TOOLKIT_PACKAGES:
            Package(name, version).build(work, place)
    archive.flat(place, {"Origin": "https://nvidia.github.io/libnvidia-container/", "Label": "libnvidia-container"})
    archive.publish_keys(root / "gpgkey")


def _kernel() -> Iterator[Package]:
    """What the vendors' modules are built with. The real one would compile, for a kernel that has no modules."""
    kernel = {"KERNEL": os.uname().release}
    yield Package("dkms", "1:3.4.0-1+lab1")
    yield Package(f"linux-headers-{kernel['KERNEL']}", "99-1+lab1", kernel, folder="linux-headers")
    yield Package("linux-headers-amd64", "99-1+lab1", kernel)


def _cuda(place: Path, release: str, work: Path) -> None:
    for package in (*_kernel(), *_drivers()):
        package.build(work / release, place)
    archive.flat(place, {"Origin": "NVIDIA", "Label": "NVIDIA CUDA"})
    archive.publish_keys(place / CUDA[release])


def _drivers() -> Iterator[Package]:
    replay = {"usr/lib/lab/nvidia-smi": FILES / "replay"}
    for driver in stock.DRIVERS:
        version = f"{driver}-1"
        yield Package("nvidia-driver-cuda", version, programs=replay)
        for name, flavour in FLAVOURS.items():
            (other,) = FLAVOURS.keys() - {name}
            yield Package(name, version, {"OTHER": other, "FLAVOUR": flavour}, folder="nvidia-kernel")
        branch = driver.partition(".")[0]
        name = f"nvidia-driver-pinning-{branch}"
        yield Package(name, version, {"BRANCH": branch}, folder="nvidia-driver-pinning")


def _radeon(root: Path, work: Path) -> None:
    drivers, toolkit = root / "amdgpu/31.40/ubuntu", root / "amd-container-toolkit/apt"
    fields = {"Origin": "repo.radeon.com", "Label": "repo.radeon.com"}
    for suite, number in UBUNTU.items():
        for package in (*_kernel(), Package("amdgpu-dkms", f"1:6.18.4.31400000-2369674.{number}")):
            package.build(work / suite, drivers / f"dists/{suite}/pool/main")
        for version in AMD_TOOLKIT:
            Package("amd-container-toolkit", f"{version}~{number}").build(
                work / suite, toolkit / f"dists/{suite}/pool/main"
            )
        for place in (drivers, toolkit):
            archive.suite(place, suite, "main", fields)
    archive.publish_keys(root / "rocm/rocm.gpg.key")
