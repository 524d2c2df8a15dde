"""What the hosts of an inventory fetch, as far as it is known by digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...errors import Problem, Refused
from ...plan import Wanted
from ...plan.build import python
from ...plan.fetch import at_mirror, downloads, fetches
from ...plan.wanted import TOKEN, WantedService
from ...plan.weights import unlocked
from ...schema import Download

FIX = "run `gpufleet lock INVENTORY`, and commit the file"


@dataclass(frozen=True)
class Source:
    """A Hub, and where the token for it is read."""

    endpoint: str
    token: str


@dataclass
class Contents:
    """``files`` by their paths in the bundle, of each source; ``images``: digest, and the mirror to ask, by name.

    ``index``: of Python's packages, for what fetches models, empty where pip's own; None: nothing fetches any.
    ``alone``: a line for all that hosts fetch and nobody can bring along.
    """

    files: dict[Source, dict[str, Download]] = field(default_factory=dict)
    images: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    index: str | None = None
    alone: dict[str, None] = field(default_factory=dict)


def contents(found: Iterable[Wanted]) -> Contents:
    """Of all tiers and accelerators. Raises Refused with all that is not locked."""
    whole, missing, seen = Contents(), dict[Problem, None](), set[str]()
    for one in (tier for wanted in found for tier in (wanted, *wanted.smaller)):
        missing |= dict.fromkeys(_missing(one))
        hub = one.settings.mirrors.huggingface
        files = whole.files.setdefault(Source(hub, one.settings.secrets.get(TOKEN, "")), {})
        for d in downloads(one):
            path = at_mirror(d, hub)
            if d.url and path not in seen:
                seen.add(path)
                files[path] = d
        if fetches(one):
            whole.images[python()] = one.digests.get(python(), ""), one.settings.mirrors.registry
            whole.index = one.settings.mirrors.pypi or ""
        for s in one.services:
            whole.images |= {name: (digest, one.settings.mirrors.registry) for name, digest in _images(one, s)}
            whole.alone |= dict.fromkeys(_alone(s))
    if missing:
        raise Refused(*missing)
    return whole


def _missing(one: Wanted) -> Iterator[Problem]:
    """What is not locked."""
    file = one.settings.lock
    yield from unlocked(one.own_weights, file)
    for s in one.services:
        for w in s.weights:
            if w.model.pull and s.service.library and not w.pull:
                yield Problem(f"models/{w.name}", f"{w.model.pull} is not in {file}", FIX)
        for accelerator, image in s.service.image.items():
            if "@" not in image and image not in one.digests:
                yield Problem(f"services/{s.entry.service}/image/{accelerator}", f"{image} is not in {file}", FIX)
    if fetches(one) and python() not in one.digests:
        yield Problem("images/fetcher", f"{python()} is not in {file}", FIX)


def _images(one: Wanted, s: WantedService) -> Iterator[tuple[str, str]]:
    """Names and digests."""
    for image in s.service.image.values():
        name, _, digest = image.partition("@")
        yield name, digest or one.digests.get(image, "")


def _alone(s: WantedService) -> Iterator[str]:
    for name in s.alone:
        yield f"{name}: is fetched by {s.name} itself"
    for build in s.service.build.values():
        yield f"{build.name}: is built on hosts"
