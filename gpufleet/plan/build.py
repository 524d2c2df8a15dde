"""Images that are built on the host. A name carries a digest of all that the image is made of."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from ..catalog import Catalog
from ..schema import Accelerator, Build, Download, PlannedBuild
from .fetch import pulled
from .place import Placed
from .wanted import Wanted, WantedService

OURS = "gpufleet.local"  # no registry has this name, and none is asked for it
FETCHER_BYTES = 60_000_000  # Python's slim image, 45 MB, and the client with hf_xet, about 15 MB
WHEELS = "wheels"  # the folder of a bundle that has them
FOLDER = ".images"  # in a release; no service has such a name


def image(wanted: Wanted, service: WantedService, accelerator: Accelerator) -> str:
    """The image that a service runs on an ``accelerator``."""
    if build := service.service.build.get(accelerator):
        return _name(build, service.sources.get(build.name))
    return pulled(wanted, service.service.image[accelerator])


def _name(build: Build, files: Mapping[str, str] | None) -> str:
    parts = [build.context, build.dockerfile, build.target, build.args, files]
    return f"{OURS}/{build.name}:{sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]}"


def builds(wanted: Wanted, placed: Placed) -> tuple[PlannedBuild, ...]:
    """The images to build, in the order of the stack."""
    found: dict[str, PlannedBuild] = {}
    for s in wanted.services:
        accelerator = placed.places[s.name].accelerator
        if build := s.service.build.get(accelerator):
            files = s.sources.get(build.name)
            name = _name(build, files)
            users = (*(found[name].services if name in found else ()), s.name)
            size = s.service.image_bytes.get(accelerator)
            found[name] = _planned(wanted, build, files or {}, image=name, services=users, bytes=size)
    return tuple(found.values())


def fetcher(wanted: Wanted, downloads: Collection[Download], bundle: str = "") -> PlannedBuild | None:
    """The image of the program that fetches ``downloads``, where there are any; ``bundle``: the URL of what has it."""
    if not downloads:
        return None
    build, files, name = _fetcher()
    found = _planned(wanted, build, files, image=name, bytes=FETCHER_BYTES)
    wheels = {} if wanted.settings.mirrors.pypi else _wheels(bundle)
    args = {**found.args, "PYTHON": pulled(wanted, python()), **wheels}
    return found.model_copy(update={"args": args, "folder": "."})


def python() -> str:
    """The image that the program's own is made from."""
    return _fetcher()[1]["Dockerfile"].partition("ARG PYTHON=")[2].partition("\n")[0]


def requirements() -> str:
    """The packages that it installs, by their digests."""
    return _fetcher()[1]["requirements.txt"]


@cache  # the same for all hosts
def _fetcher() -> tuple[Build, dict[str, str], str]:
    build, files = Build(folder="fetcher", deadline=1200), Catalog().image("fetcher")
    return build, files, _name(build, files)


def packages(pypi: str | None) -> dict[str, str]:
    """What tells pip of an index of the user's; without TLS it has to be told once more."""
    trusted = {"PIP_TRUSTED_HOST": urlsplit(pypi).hostname or ""} if pypi and pypi.startswith("http:") else {}
    return {"PIP_INDEX_URL": pypi, **trusted} if pypi else {}


def _wheels(bundle: str) -> dict[str, str]:
    """What tells pip to ask nobody else."""
    host = {"PIP_TRUSTED_HOST": urlsplit(bundle).hostname or ""}
    return {"PIP_FIND_LINKS": f"{bundle}/{WHEELS}/", "PIP_NO_INDEX": "1", **host} if bundle else {}


def _planned(wanted: Wanted, build: Build, files: Mapping[str, str], **known: Any) -> PlannedBuild:
    repository, _, commit = (build.context or "").removeprefix("https://github.com/").partition(".git#")
    archive = f"{wanted.settings.mirrors.github.rstrip('/')}/{repository}/archive/{commit}.tar.gz"
    return PlannedBuild(
        **known,
        source=f"https://github.com/{repository} at {commit[:12]}" if build.context else f"images/{build.name}",
        url=archive if build.context else "",
        folder=f"{FOLDER}/{build.name}" if build.folder else "",
        files=dict(files),
        dockerfile=build.dockerfile,
        target=build.target or "",
        args={**packages(wanted.settings.mirrors.pypi), **build.args},
        deadline=build.deadline,
    )
