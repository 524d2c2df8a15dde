"""Model files: fetched once, verified, visible only when complete."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable

from pyinfra.api.command import FileUploadCommand
from pyinfra.context import host

from ..plan.drift import missing_models
from ..schema import Download, HostState, Plan, PlannedBuild
from .observe import Commands, Shown, Target, converging, spoken
from .script import script
from .up import built

FOLDER = ".fetcher"  # among the releases
STALL, TRIES, PAUSE, EVERY = 30, 6, 2, 10  # seconds without a byte, tries without one, seconds between, seconds


@converging
def fetched(target: Target, state: HostState) -> Commands:
    """Fetch the models that are not there whole."""
    plan, missing = target.plan, missing_models(target.plan, state)
    if not missing or not plan.fetcher:
        host.noop(f"{len(plan.downloads)} model files")
        return
    yield FileUploadCommand(io.BytesIO(packed(plan.fetcher)), f"{plan.root}/releases/{FOLDER}.tar")
    yield made(plan.fetcher, plan.root)
    told = {"root": plan.root, "image": plan.fetcher.image, "job": json.dumps(_job(plan, missing))}
    yield Shown(spoken(plan, script("fetch", **told)))


def made(build: PlannedBuild, root: str) -> str:
    """The script that makes the image of the program, of what was ``packed``, unless it is there."""
    return script("unpack-fetcher", root=root, folder=FOLDER) + "\n" + built(build, root, FOLDER)


def packed(build: PlannedBuild) -> bytes:
    """What it is made of, as an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text in sorted(build.files.items()):
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _job(plan: Plan, downloads: Iterable[Download]) -> dict[str, object]:
    """What the program is told; paths are below the directory of models."""
    files = [_wanted(plan, d) for d in downloads]
    times = {"stall": STALL, "tries": TRIES, "pause": PAUSE, "every": EVERY}
    return {"root": "/models", "endpoint": plan.hub, "reserve": plan.reserve_disk_mib << 20, **times, "files": files}


def _wanted(plan: Plan, d: Download) -> dict[str, object]:
    below = {name: plan.below_models(getattr(d, name)) for name in ("path", "part", "folder")}
    return {**d.model_dump(include={"bytes", "digest", "hub"}), **below, "urls": [d.url]}
