"""The directory: what is where in it, and how a file gets there.

Of the Hub's files at their paths there; all else under its digest, so that each byte is there once; manifests of images
at a registry's paths, with their kind in their name, as a web server has to tell it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from ...errors import Problem, Refused
from ...schema import Bundle

CHUNK = 1 << 20
FILE = "bundle.json"


class Tree:
    """Of one directory."""

    def __init__(self, root: Path) -> None:
        self.root, self.incoming = root, root / ".incoming"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else writes meanwhile. Raises Refused, also where the directory is somebody's."""
        if self.root.exists() and not (self.root.is_dir() and self._ours()):
            raise Refused(Problem(str(self.root), "is there, and is no bundle", "choose another directory"))
        self.incoming.mkdir(parents=True, exist_ok=True)
        with (self.incoming / ".writer").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                what, fix = "another `gpufleet bundle` writes there", "wait until it has ended"
                raise Refused(Problem(str(self.root), what, fix)) from None
            yield

    def _ours(self) -> bool:
        return self.incoming.is_dir() or (self.root / FILE).is_file() or not any(self.root.iterdir())

    def has(self, digest: str, size: int) -> bool:
        return self.whole(f"blobs/{digest.replace(':', '/')}", size)

    def blob(self, digest: str) -> Path:
        return self.root / "blobs" / digest.replace(":", "/")

    def manifest(self, path: str, name: str, suffix: str) -> Path:
        """Of the image ``path``, by digest or tag."""
        return self.root / "v2" / path / "manifests" / f"{name.removeprefix('sha256:')}.{suffix}"

    def whole(self, path: str, size: int) -> bool:
        """A file has its name only when it is right."""
        return (self.root / path).is_file() and size_of(self.root / path) == size

    def part(self, digest: str) -> Path:
        return self.incoming / digest.partition(":")[2]

    def show(self, part: Path, at: Path) -> None:
        """Give a whole file its name."""
        with part.open("rb") as file:
            os.fsync(file.fileno())
        at.parent.mkdir(parents=True, exist_ok=True)
        part.rename(at)

    def write(self, at: Path, content: bytes) -> None:
        """A small file, whole or not at all; one that is right stays."""
        if at.is_file() and at.read_bytes() == content:
            return
        part = self.incoming / at.name
        part.write_bytes(content)
        self.show(part, at)

    def told(self) -> Bundle:
        """What ``bundle.json`` says; what is none says nothing."""
        try:
            return Bundle.model_validate_json((self.root / FILE).read_bytes())
        except (OSError, ValidationError):
            return Bundle()

    def tell(self, bundle: Bundle) -> None:
        self.write(self.root / FILE, f"{bundle.model_dump_json(indent=1)}\n".encode())


def size_of(path: Path) -> int:
    """0: it is not there."""
    return path.stat().st_size if path.exists() else 0
