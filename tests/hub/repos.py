"""Repositories in a folder: ``ROOT/OWNER/NAME/COMMIT/...``, with ``refs.json`` (branches) and ``repo.json``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

# The Hub keeps large files and these suffixes in Git LFS; 10 MB there, less here so that tests need no such files.
LFS_BYTES = 1 << 20
LFS_SUFFIXES = (".gguf", ".safetensors", ".bin")


@dataclass(frozen=True)
class File:
    """A file of a repository: its path there, and where it is on disk."""

    path: str
    at: Path

    @cached_property
    def size(self) -> int:
        return self.at.stat().st_size

    @property
    def lfs(self) -> bool:
        return self.size > LFS_BYTES or self.at.suffix in LFS_SUFFIXES

    @property
    def sha256(self) -> str:
        stat = self.at.stat()
        return _sha256(self.at, stat.st_size, stat.st_mtime_ns)

    @property
    def pointer(self) -> bytes:
        """What git has in place of an LFS file."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    @property
    def oid(self) -> str:
        """Git's name of the blob: for an LFS file, of its pointer."""
        blob = self.pointer if self.lfs else self.at.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@lru_cache
def _sha256(path: Path, size: int, changed: int) -> str:
    """Of a file that has not changed since: hashing a large one at every request would be slow."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Repo:
    """``OWNER/NAME`` under ``root``."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @cached_property
    def settings(self) -> dict[str, Any]:
        return _read(self.folder / "repo.json")

    def commit(self, revision: str) -> str | None:
        """The commit that a branch or a commit's own name means."""
        commit = str(_read(self.folder / "refs.json").get(revision, revision))
        return commit if len(commit) == 40 and (self.folder / commit).is_dir() else None

    def files(self, commit: str) -> dict[str, File]:
        """The files of a commit by path, sorted."""
        top = self.folder / commit
        paths = sorted(str(at.relative_to(top)) for at in top.rglob("*") if at.is_file())
        return {path: File(path, top / path) for path in paths}


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def publish(root: Path, name: str, files: dict[str, bytes], **settings: Any) -> str:
    """Write a commit of ``OWNER/NAME`` with these files alone, and let ``main`` be it.

    ``settings`` go to ``repo.json``: ``gated`` and ``private`` (true), ``allowed`` (the tokens that may read then),
    ``moved`` (the name that it has now), ``cdn`` (the origin that LFS files are fetched from), ``xet`` (true: LFS files
    have Xet hashes), ``card`` (what its model card says, such as the licence). Without any those of before stay.
    Returns the commit.
    """
    told = json.dumps(sorted((path, hashlib.sha256(data).hexdigest()) for path, data in files.items()))
    commit = hashlib.sha1(told.encode()).hexdigest()
    folder = root / name
    (folder / commit).mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        (folder / commit / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / commit / path).write_bytes(data)
    (folder / "refs.json").write_text(json.dumps({**_read(folder / "refs.json"), "main": commit}))
    if settings:
        (folder / "repo.json").write_text(json.dumps(settings))
    return commit
