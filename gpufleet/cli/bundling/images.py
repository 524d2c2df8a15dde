"""Images of containers: what each is made of, its blobs, and last what an engine asks for first."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import click

from ...errors import Problem, Refused
from ...plan.fetch import mirrored
from ...schema import BundledImage
from ..locking.patience import FAILED, patiently, status_of
from ..locking.registry import DIGEST, KINDS, refused
from ..words import size
from .repository import Repository, digest_of
from .tree import Tree, size_of

# What manifests are called in the tree, by their kind.
SUFFIXES = {
    "application/vnd.oci.image.index.v1+json": "oci-index",
    "application/vnd.oci.image.manifest.v1+json": "oci-manifest",
    "application/vnd.docker.distribution.manifest.list.v2+json": "docker-index",
    "application/vnd.docker.distribution.manifest.v2+json": "docker-manifest",
}
PLATFORM = ("os", "architecture", "variant")
AT_ONCE = 4  # blobs
EVERY = 10.0  # seconds


@dataclass(frozen=True)
class Manifest:
    """``suffix``: its kind."""

    digest: str
    suffix: str
    content: bytes

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content)
        return found


@dataclass(frozen=True)
class Image:
    """``manifests``: what its name stands for comes last."""

    name: str
    at: Repository
    manifests: tuple[Manifest, ...]
    about: BundledImage


def image(tree: Tree, name: str, digest: str, mirror: str | None, architectures: Collection[str]) -> Image | Refused:
    """What an image is made of; manifests that the tree has are not asked for."""
    path = name.rpartition(":")[0]
    at = Repository(mirrored(path, mirror))
    try:
        first = _manifest(tree, at, path, digest)
        parts = [p for p in first.told.get("manifests", ()) if _wanted(p, architectures)]
        if "manifests" in first.told and not parts:
            what = f"has nothing for {' or '.join(f'linux/{a}' for a in architectures)}"
            return Refused(Problem(f"images/{name}", what, "choose another --arch"))
        own = [_manifest(tree, at, path, p["digest"]) for p in parts] or [first]
        blobs = {blob["digest"]: int(blob["size"]) for m in own for blob in (m.told["config"], *m.told["layers"])}
        if not all(DIGEST.fullmatch(found) and amount >= 0 for found, amount in blobs.items()):
            raise ValueError
    except FAILED as error:
        return refused(f"images/{name}", at.server, name, error)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        what = f"{at.server} does not give the manifest that {digest[:19]} is, or one of no image"
        return Refused(Problem(f"images/{name}", what, "check `mirrors.registry`, and run again"))
    platforms = tuple(sorted({"/".join(filter(None, map(p["platform"].get, PLATFORM))) for p in parts}))
    return Image(
        name, at, (*(own if parts else ()), first), BundledImage(digest=digest, platforms=platforms, blobs=blobs)
    )


def _wanted(part: dict[str, Any], architectures: Collection[str]) -> bool:
    platform = part.get("platform") or {}
    return platform.get("os") == "linux" and platform.get("architecture") in architectures


def _manifest(tree: Tree, at: Repository, path: str, digest: str) -> Manifest:
    """Of the tree, or of the registry. Raises ValueError: it has another digest."""
    for suffix in SUFFIXES.values():
        file = tree.manifest(path, digest, suffix)
        if file.is_file() and _digest(content := file.read_bytes()) == digest:
            return Manifest(digest, suffix, content)

    def ask() -> tuple[str, bytes]:
        with at.get(f"manifests/{digest}", Accept=KINDS) as answer:
            return answer.headers.get("Content-Type", ""), answer.read()

    kind, content = patiently(at.server, ask)
    if _digest(content) != digest:
        raise ValueError
    return Manifest(digest, SUFFIXES[json.loads(content).get("mediaType") or kind], content)


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


class Blobs:
    """Brings blobs of ``images`` into the tree, each once."""

    def __init__(self, tree: Tree, images: Iterable[Image]) -> None:
        self.tree, self.busy, self.said, self.came = tree, Lock(), time.monotonic(), 0
        self.over = False
        all_ = {digest: (image, amount) for image in images for digest, amount in image.about.blobs.items()}
        self.missing = {d: of for d, of in all_.items() if not tree.has(d, of[1])}
        self.total = sum(amount for _, amount in self.missing.values())
        self.done = sum(min(amount, size_of(tree.part(d))) for d, (_, amount) in self.missing.items())

    def bring(self) -> dict[str, Refused]:
        """All that are missing; by digest why one could not be had."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                told = zip(self.missing, pool.map(self._ensured, self.missing), strict=True)
                return {digest: why for digest, why in told if why}
            except BaseException:
                self.over = True  # what is under way ends with what comes next
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _ensured(self, digest: str) -> Refused | None:
        image, amount = self.missing[digest]
        where, part = f"images/{image.name}", self.tree.part(digest)
        try:
            for _ in range(2):
                self._tries(image.at, digest, amount, part)
                if digest_of(part) == digest:
                    self.tree.show(part, self.tree.blob(digest))
                    return None
                part.unlink()  # it may have been begun by somebody else
        except FAILED as error:
            return refused(where, image.at.server, image.name, error)
        what = f"{image.at.server} gives other bytes of {digest[:19]} than it should"
        return Refused(Problem(where, what, "check `mirrors.registry`, and run again"))

    def _tries(self, at: Repository, digest: str, amount: int, part: Path) -> None:
        """Until all bytes are there; while some come with each try, there is another."""
        if size_of(part) > amount:
            part.unlink()

        def ask() -> None:
            if size_of(part) < amount or not part.exists():
                for count in at.rest(digest, amount, part):
                    self._came(count)

        while True:
            had = size_of(part)
            try:
                return patiently(at.server, ask)
            except FAILED as error:
                if size_of(part) <= had or status_of(error):
                    raise

    def _came(self, count: int) -> None:
        if self.over:
            raise InterruptedError
        with self.busy:
            self.done, self.came = self.done + count, self.came + count
            if (now := time.monotonic()) - self.said >= EVERY:
                self.said = now
                click.echo(f"gpufleet bundle: images: {size(self.done)} of {size(self.total)}", err=True)


def show(tree: Tree, images: Iterable[Image]) -> None:
    """Manifests of images whose blobs are there: by digest, and what the name stands for by tag, too."""
    for image in images:
        path, _, tag = image.name.rpartition(":")
        for manifest in image.manifests:
            tree.write(tree.manifest(path, manifest.digest, manifest.suffix), manifest.content)
        for suffix in SUFFIXES.values():
            at = tree.manifest(path, tag, suffix)
            if suffix == image.manifests[-1].suffix:
                tree.write(at, image.manifests[-1].content)
            else:
                at.unlink(missing_ok=True)


def problems(why: Iterable[Refused]) -> Iterator[Problem]:
    for refusal in why:
        yield from refusal.problems
