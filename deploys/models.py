"""Model files: fetched once, verified, visible only when complete; of several hosts that want one, by one of them."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterable, Mapping

from pyinfra.api.command import FileUploadCommand
from pyinfra.api.state import StateStage
from pyinfra.context import host

from ..plan.drift import missing_models
from ..plan.fetch import at_mirror
from ..render import archive
from ..schema import Download, HostState, Plan, PlannedBuild
from . import spread
from .observe import Commands, Shown, Target, converging, ran, spoken
from .script import script
from .up import built

FOLDER = ".fetcher"  # among the releases
STALL, TRIES, PAUSE, EVERY = 30, 6, 2, 10  # seconds without a byte, tries without one, seconds between, seconds


@converging
def fetched(target: Target, state: HostState) -> Commands:
    """Fetch the models that are not there whole, but for what other hosts fetch meanwhile or have."""
    plan, missing = target.plan, missing_models(target.plan, state)
    if not missing or not plan.fetcher:
        host.noop(f"{len(plan.downloads)} model files")
        return
    yield FileUploadCommand(io.BytesIO(packed(plan.fetcher)), f"{plan.root}/releases/{FOLDER}.tar")
    yield made(plan.fetcher, plan.root)
    if mine := spread.own(host, missing):
        yield Shown(_fetch(plan, {d: [] for d in mine}))


@converging
def offered(target: Target, state: HostState) -> Commands:
    """Offer other hosts the files that they lack. It lasts no longer than the run, so it is no change."""
    plan, word = target.plan, secrets.token_hex(16)
    if _executes() and plan.fetcher and spread.asked(host, state.models.values()):
        told = {"root": plan.root, "image": plan.fetcher.image, "address": plan.address, "port": plan.peer_port}
        done, _ = ran(host, spoken(plan, script("offer", word=word, **told)))
        if done:
            spread.of(host).offers[host.name] = f"http://{plan.address}:{plan.peer_port}/{word}"
    yield from ()


@converging
def taken(target: Target, state: HostState) -> Commands:
    """Take from other hosts what is still missing, and from afar what they cannot give: counted with the fetching."""
    plan, missing = target.plan, missing_models(target.plan, state)
    if _executes() and missing:
        done, _ = ran(host, _fetch(plan, {d: spread.sources(host, d) for d in missing}), shown=True)
        if not done:
            yield "exit 1"


@converging
def withdrawn(target: Target, state: HostState) -> Commands:
    """End the offer."""
    if spread.of(host).offers.pop(host.name, None):
        ran(host, spoken(target.plan, "docker rm -f gpufleet-offer >/dev/null"))
    yield from ()


def _executes() -> bool:
    return host.state.current_stage == StateStage.Execute


def made(build: PlannedBuild, root: str) -> str:
    """The script that makes the image of the program, of what was ``packed``, unless it is there."""
    return script("unpack-fetcher", root=root, folder=FOLDER) + "\n" + built(build, root, FOLDER)


def packed(build: PlannedBuild) -> bytes:
    """What it is made of, as an archive."""
    return archive({path: text.encode() for path, text in build.files.items()})


def _fetch(plan: Plan, sources: Mapping[Download, Iterable[str]]) -> str:
    """The command that runs the program. Paths are below the directory of models."""
    assert plan.fetcher
    files = [told(plan, d, urls) for d, urls in sources.items()]
    times = {"stall": STALL, "tries": TRIES, "pause": PAUSE, "every": EVERY}
    # The directories of programs in that of models may be links to elsewhere.
    folders = " ".join(sorted({d.path.removeprefix(f"{plan.models_dir}/").partition("/")[0] for d in sources if d.of}))
    job = {"root": "/models", "endpoint": plan.hub, "reserve": plan.reserve_disk_mib << 20, **times, "files": files}
    return spoken(plan, script("fetch", root=plan.root, image=plan.fetcher.image, folders=folders, job=json.dumps(job)))


def told(plan: Plan, d: Download, peers: Iterable[str]) -> dict[str, object]:
    below = {name: plan.below_models(getattr(d, name)) for name in ("path", "part", "folder")}
    after = [plan.below_models(path) for path in d.after]
    told = d.model_dump(include={"bytes", "digest", "hub", "text", "of"})
    return {**told, **below, "after": after, "urls": [*peers, d.url], "caches": _caches(plan, d)}


def _caches(plan: Plan, d: Download) -> list[str]:
    """Where those that we found ourselves may have it. They get no token, so no mirror gives what is gated."""
    of_hub = d.hub and d.url.startswith(plan.hub)
    found = [plan.bundle, *([plan.hub_cache] if of_hub else [])] if d.url else []
    return [f"{cache.rstrip('/')}/{at_mirror(d, plan.hub)}" for cache in found if cache]
