"""The seed: a dockerd's directory with all images pulled once, which new hosts start from.

Layers are linked, not copied: containers write into layers of their own, so nothing leaks back.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from gpufleet.deploys import models
from gpufleet.plan import want
from gpufleet.plan.build import fetcher
from gpufleet.plan.fetch import downloads
from gpufleet.schema import PlannedBuild

from . import nspawn
from .images import wanted
from .paths import CACHE
from .pypi import URL
from .shell import LabError, cached, run
from .spec import Spec

NAME, ADDRESS = "seed", "10.98.0.9"
# What makes one dockerd another than the next.
OWN = ("engine-id", "network", "containers", "runtimes", "tmp", "swarm")


def seed() -> Path:
    """The directory with the catalog's images."""
    recipe = "".join(name + r.mark for name, r in wanted().items()) + fetcher_build().image
    return cached("seed", recipe, _make)


def _make(target: Path) -> None:
    nspawn.remove(NAME)
    nspawn.boot(NAME, ADDRESS, Spec())
    try:
        nspawn.wait(NAME, ADDRESS, Spec())
        for image in wanted():
            pulled = nspawn.ssh(ADDRESS, f"docker pull -q {image}")
            if pulled.returncode:
                raise LabError(f"the seed cannot pull {image}\n{pulled.stderr}")
        _fetcher()
        nspawn.ssh(ADDRESS, "systemctl stop docker.socket docker containerd")
        run("cp", "-a", f"{nspawn.folder(NAME)}/docker/.", target)
    finally:
        nspawn.remove(NAME)
    for name in OWN:
        shutil.rmtree(target / name, ignore_errors=True)
        (target / name).unlink(missing_ok=True) if (target / name).is_file() else None


def fetcher_build() -> PlannedBuild:
    """The program that fetches models, as hosts make it."""
    wanted = want(["cpu"], {"mirrors": {"pypi": URL}})
    build = fetcher(wanted, downloads(wanted))
    assert build
    return build


def _fetcher() -> None:
    """Make it once, so that not every host has to."""
    build = fetcher_build()
    nspawn.ssh(ADDRESS, "mkdir -p /tmp/seed/releases")
    put = ("ssh", *nspawn.options(), f"root@{ADDRESS}", f"cat >/tmp/seed/releases/{models.FOLDER}.tar")
    subprocess.run(put, input=models.packed(build), check=True)
    made = nspawn.ssh(ADDRESS, models.made(build, "/tmp/seed"))
    if made.returncode:
        raise LabError(f"the seed cannot make {build.image}\n{made.stderr}")


def plant(docker: Path) -> None:
    """Give a new host's dockerd the seed's images."""
    source = seed()
    assert source.is_relative_to(CACHE)
    for part in sorted(source.iterdir()):
        run("cp", "-al" if part.name == "overlay2" else "-a", part, docker)
