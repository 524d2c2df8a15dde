"""What a host has to fetch: models as files, images by its engine. What two services share is fetched once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from ..schema import Download, HostFacts, Model, Pull
from . import library
from .ledger import mib
from .place import Placed
from .wanted import Wanted, WantedService
from .weights import Weights

UNPACKED = 3
ImageT = TypeVar("ImageT", bound=Pull)


def downloads(wanted: Wanted) -> tuple[Download, ...]:
    """The model files, by path."""
    found = {d.path: d for s in wanted.services for w in s.weights for d in of_weights(wanted, s, w)}
    return tuple(found[path] for path in sorted(found))


def of_weights(wanted: Wanted, service: WantedService, weights: Weights) -> tuple[Download, ...]:
    """The files of a model where the service looks for them."""
    at, mirrors = wanted.models_dir, wanted.settings.mirrors
    if below := service.service.library:
        return library.downloads(weights, f"{at}/{below}", f"{at}/.incoming", mirrors)
    return of_model(weights.model, at, mirrors.huggingface)


def of_model(model: Model, at: str, hub: str) -> tuple[Download, ...]:
    """The files of a model below the directory ``at``; ``hub``: the Hub's endpoint."""
    folder = "" if model.file else f"{at}/{model.at}"
    return tuple(
        Download(
            path=f"{folder}/{path}" if folder else f"{at}/{model.at}",
            part=f"{at}/.incoming/{piece.hex}",
            url=model.source(path, hub),
            hub=model.repo is not None,
            bytes=piece.bytes,
            digest=piece.digest,
            folder=folder,
        )
        for path, piece in model.pieces.items()
    )


def at_mirror(download: Download, hub: str) -> str:
    """Where a mirror of the Hub, and a bundle, has it: at its path there; what is not the Hub's by its digest."""
    if download.hub and download.url.startswith(hub):
        return download.url.removeprefix(hub).lstrip("/")
    return f"blobs/{download.digest.replace(':', '/')}"


def fetches(wanted: Wanted) -> bool:
    """Whether models are fetched, also where nobody has locked yet what they are made of."""
    return any(s.weights for s in wanted.services)


def asked(wanted: Wanted) -> tuple[str, ...]:
    """Paths whose sizes the facts are asked for: of the files of every tier, and of what came of them."""
    found = (d for tier in (wanted, *wanted.smaller) for d in downloads(tier))
    return tuple(sorted({path for d in found for path in (d.path, d.part)}))


def left(download: Download, present: Mapping[str, int]) -> int:
    """Bytes of it that are still to come; ``present``: sizes by path."""
    if present.get(download.path) == download.bytes:
        return 0
    have = present.get(download.part, 0)
    return download.bytes - (have if have <= download.bytes else 0)


def by_programs(wanted: Wanted, facts: HostFacts) -> int:
    """Bytes of the models that programs fetch by themselves; nothing of a program whose container is there already."""
    there = {c.service for c in facts.engine.containers if c.project == wanted.stack}
    asked = {name: size for s in wanted.services if s.name not in there for name, size in s.alone.items()}
    return sum(asked.values())


def pulls(wanted: Wanted, placed: Placed) -> tuple[Pull, ...]:
    """The images, in the order of the stack."""
    found: dict[str, Pull] = {}
    for s in wanted.services:
        built = placed.places[s.name].accelerator
        if built in s.service.image:
            image = pulled(wanted, s.service.image[built])
            users = (*(found[image].services if image in found else ()), s.name)
            found[image] = Pull(image=image, bytes=s.service.image_bytes.get(built), services=users)
    return tuple(found.values())


def missing(wanted: Iterable[ImageT], images: Collection[str]) -> tuple[ImageT, ...]:
    """Those that the engine does not have; one that is named with its digest is known by that alone."""
    return tuple(one for one in wanted if _known(one.image) not in images)


def _known(image: str) -> str:
    """What the engine calls an image.

    >>> _known("ghcr.io/a/b:1"), _known("ghcr.io/a/b:1@sha256:00")
    ('ghcr.io/a/b:1', 'ghcr.io/a/b@sha256:00')
    """
    name, at, digest = image.partition("@")
    return f"{name.rpartition(':')[0]}@{digest}" if at else image


def room(images: Iterable[Pull]) -> int:
    """MiB that images take of the engine's disk: three times what is pulled for them; those of unknown size nothing.

    They unpack to two to three times that: a server of llama.cpp for CUDA, 1.5 GB pulled, takes 4 GB
    (prem-research/prem-operator#34). What was pulled lies beside it until it is unpacked, in containerd's image store
    for good (docs.docker.com/engine/storage/containerd). As it blocks, the estimate is rather low.
    """
    return mib(UNPACKED * sum(image.bytes or 0 for image in images))


def pulled(wanted: Wanted, image: str) -> str:
    """The name by which an image is pulled: with the digest that the lock has, from the mirror that is set."""
    digest = wanted.digests.get(image)
    return mirrored(f"{image}@{digest}" if digest else image, wanted.settings.mirrors.registry)


def mirrored(image: str, registry: str | None) -> str:
    """The image's own name behind the mirror's, as pull-through registries have it.

    >>> mirrored("ghcr.io/a/b:1", "http://mirror.lan:5000/all"), mirrored("ghcr.io/a/b:1", None)
    ('mirror.lan:5000/all/ghcr.io/a/b:1', 'ghcr.io/a/b:1')
    """
    return f"{registry.removeprefix('http://').rstrip('/')}/{image}" if registry else image
