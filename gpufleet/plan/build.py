"""Images that are built on the host. A name carries a digest of all that the image is made of."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from ..schema import Accelerator, Build, PlannedBuild
from .fetch import mirrored
from .place import Placed
from .wanted import Wanted, WantedService

OURS = "gpufleet.local"  # no registry has this name, and none is asked for it
FOLDER = ".images"  # in a release; no service has such a name


def image(wanted: Wanted, service: WantedService, accelerator: Accelerator) -> str:
    """The image that a service runs on an ``accelerator``."""
    if build := service.service.build.get(accelerator):
        return _name(build, service)
    return mirrored(service.service.image[accelerator], wanted.settings.mirrors.registry)


def _name(build: Build, service: WantedService) -> str:
    parts = [build.context, build.dockerfile, build.target, build.args, service.sources.get(build.name)]
    return f"{OURS}/{build.name}:{sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]}"


def builds(wanted: Wanted, placed: Placed) -> tuple[PlannedBuild, ...]:
    """The images to build, in the order of the stack."""
    found: dict[str, PlannedBuild] = {}
    for s in wanted.services:
        accelerator = placed.places[s.name].accelerator
        if build := s.service.build.get(accelerator):
            name = _name(build, s)
            users = (*(found[name].services if name in found else ()), s.name)
            size = s.service.image_bytes.get(accelerator)
            found[name] = _planned(wanted, build, s, image=name, services=users, bytes=size)
    return tuple(found.values())


def _planned(wanted: Wanted, build: Build, service: WantedService, **known: Any) -> PlannedBuild:
    repository, _, commit = (build.context or "").removeprefix("https://github.com/").partition(".git#")
    archive = f"{wanted.settings.mirrors.github.rstrip('/')}/{repository}/archive/{commit}.tar.gz"
    return PlannedBuild(
        **known,
        source=f"https://github.com/{repository} at {commit[:12]}" if build.context else f"images/{build.name}",
        url=archive if build.context else "",
        folder="" if build.context else f"{FOLDER}/{build.name}",
        files=dict(service.sources.get(build.name, {})),
        dockerfile=build.dockerfile,
        target=build.target or "",
        args=build.args,
        deadline=build.deadline,
    )
