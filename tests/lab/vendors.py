"""A mirror of the vendors' apt repositories: their paths, names, versions and units, signed by the lab's own key.

Real are Docker's programs, which Debian built. Everything of NVIDIA and AMD is a stand-in, and says so.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import archive
from .packages import Debian, Package, debian
from .paths import FILES, GATEWAY, MIRROR, RUN
from .shell import cached
from .wheels import COMPOSE, compose

URL = f"http://{GATEWAY}:8081/mirror"
ENGINE = {
    "bookworm": "docker.io containerd runc tini",
    "trixie": "docker.io docker-cli containerd runc tini docker-buildx",
}
RELEASES = {"bookworm": "12", "trixie": "13"}
TOOLKIT = ("1.19.1-1", "1.20.0-1")
TOOLKIT_PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)


def publish() -> dict[str, str]:
    """Serve the mirror, and tell of it in run/mirror.json."""
    here = mirror()
    RUN.mkdir(parents=True, exist_ok=True)
    link = RUN / "mirror.new"
    link.unlink(missing_ok=True)
    link.symlink_to(here)
    link.replace(MIRROR)
    told = {"url": URL, "fingerprint": (archive.key() / "fingerprint").read_text()}
    (RUN / "mirror.json").write_text(json.dumps(told, indent=1))
    return told


def mirror() -> Path:
    """The folder with one folder a vendor's host."""
    files = sorted(p for p in (FILES / "vendors").rglob("*") if p.is_file())
    sources = [*files, *(Path(__file__).parent / f"{name}.py" for name in ("vendors", "packages", "archive"))]
    told = "".join(f"{p.name} {p.stat().st_mode}\n{p.read_text()}" for p in sources)
    return cached("mirror", f"{told} {COMPOSE} {os.uname().release} {archive.key()}", _make) / "root"


def _make(folder: Path) -> None:
    root, work = folder / "root", folder / "work"
    _docker(root / "download.docker.com/linux/debian", work)
    _toolkit(root / "nvidia.github.io/libnvidia-container", work)
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
    for version in TOOLKIT:
        for name in TOOLKIT_PACKAGES:
            Package(name, version).build(work, place)
    archive.flat(place, {"Origin": "https://nvidia.github.io/libnvidia-container/", "Label": "libnvidia-container"})
    archive.publish_keys(root / "gpgkey")
