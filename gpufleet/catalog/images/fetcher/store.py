"""The directory of models: which files are whole, and how one becomes seen.

``.verified`` has a line for each: digest, bytes, time of change, inode, path. Whoever finds a file as that line says
need not read it again.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO

from meter import say

CHUNK = 4 << 20


@dataclass(frozen=True)
class Wanted:
    """A file to be there. ``path`` and ``part``, which it is until it is whole, are below the store.

    ``folder``: the directory that is seen only with all of its files. ``urls``: where it is, the first first; of the
    Hub's own, ``hub``, and ``caches``: where mirrors may have it. ``text``: what is in it, of one that is ours; it is
    seen only ``after`` other files. ``of``: the model that it is a part of.
    """

    path: str
    part: str
    bytes: int
    digest: str
    urls: list[str]
    hub: bool = False
    caches: list[str] = field(default_factory=list)
    folder: str = ""
    text: str = ""
    after: list[str] = field(default_factory=list)
    of: str = ""

    @property
    def label(self) -> str:
        """What people know it by."""
        return f"models/{self.path}" + (f", of {self.of}" if self.of else "")


class Reader:
    """The digest of a file's first bytes: ``sha256:HEX``, or what Git calls a file of ``size`` bytes."""

    def __init__(self, kind: str, size: int) -> None:
        self.kind, self.count = kind, 0
        self.hash = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % size)

    def read(self, file: IO[bytes]) -> None:
        """What is there of it, from where it is."""
        while data := file.read(CHUNK):
            self.hash.update(data)
            self.count += len(data)

    @property
    def digest(self) -> str:
        return f"{self.kind}:{self.hash.hexdigest()}"


def digest_of(path: Path, kind: str) -> str:
    reader = Reader(kind, path.stat().st_size)
    with path.open("rb") as file:
        reader.read(file)
    return reader.digest


class Follower(Thread):
    """Reads a file while it comes, so that nobody has to wait for that afterwards."""

    def __init__(self, part: Path, kind: str, size: int) -> None:
        super().__init__(daemon=True)
        self.part, self.size, self.reader, self.over = part, size, Reader(kind, size), Event()

    def run(self) -> None:
        while not self.part.exists():
            if self.over.wait(0.05):
                return
        with self.part.open("rb") as file:
            while self.reader.count < self.size:
                last = self.over.wait(0.05)
                self.reader.read(file)
                if last:
                    return

    def end(self) -> str:
        """The digest of what it has read: of another content, where the file was begun anew meanwhile."""
        self.over.set()
        self.join()
        return self.reader.digest


class Store:
    """Of one directory; only one process writes to it at a time."""

    def __init__(self, root: Path) -> None:
        self.root, self.file, self.busy = root, root / ".verified", Lock()
        rows = (line.split(" ", 4) for line in self._noted())
        self.known = {row[4]: (row[0], " ".join(row[1:4])) for row in rows if len(row) == 5}

    def _noted(self) -> list[str]:
        """What is no note is none: the files are read again."""
        with suppress(OSError):
            return self.file.read_text(errors="replace").splitlines()
        return []

    def whole(self, path: str, digest: str) -> bool:
        """Whether it is as it was when these very bytes were found in it."""
        return self.known.get(path) == (digest, self._mark(path))

    def untouched(self, path: str) -> bool:
        """Whether it is as it was when it was found right."""
        return path in self.known and self.known[path][1] == self._mark(path)

    def verified(self, path: str, digest: str) -> None:
        """Remember that a file has these bytes."""
        with self.busy:
            self.known[path] = (digest, self._mark(path))
            self.save()

    def twin(self, digest: str) -> Path | None:
        """Another whole file of the same bytes."""
        paths = (p for p, (known, mark) in self.known.items() if known == digest and mark == self._mark(p))
        return next((self.root / p for p in paths), None)

    def save(self) -> None:
        lines = [f"{digest} {mark} {path}\n" for path, (digest, mark) in sorted(self.known.items()) if self._mark(path)]
        new = self.file.with_name(".verified.new")
        with new.open("w") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self.file)

    def _mark(self, path: str) -> str:
        try:
            s = (self.root / path).stat()
        except OSError:
            return ""
        return f"{s.st_size} {s.st_mtime_ns // 10**9}.{s.st_mtime_ns % 10**9:09d} {s.st_ino}"

    def aside(self, path: Path) -> str:
        """What has the name of a model and other bytes may be its user's: it is kept. Its new name."""
        names = (f"{path.name}{n}.set-aside" for n in ("", *(f".{n}" for n in range(2, 100))))
        name = next(name for name in names if not path.with_name(name).exists())
        path.rename(path.with_name(name))
        return name

    def link(self, source: Path, part: Path) -> bool:
        """The same bytes once more, without taking room where the file system can; whether it could."""
        part.unlink(missing_ok=True)
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)
            return False
        return True

    def gather(self, files: list[Wanted]) -> None:
        """Take back what a run that was cut off had put together of a folder."""
        for f in files:
            staged = self._staged(f)
            if f.folder and (self.root / staged).exists():
                self._move(staged, f.part)
        self.save()

    def show(self, files: list[Wanted]) -> None:
        """Give whole files their names: of a folder that is not there yet, all at once."""
        folder, new = files[0].folder, [f for f in files if not self.whole(f.path, f.digest)]
        if folder and not (self.root / folder).exists():
            for f in new:
                self._move(f.part, self._staged(f))
            (self.root / ".incoming" / folder).rename(self.root / folder)
            for f in new:
                self.known[f.path] = self.known.pop(self._staged(f))
        else:
            for f in new:
                self._move(f.part, f.path)
        self.save()

    def _staged(self, f: Wanted) -> str:
        return f".incoming/{f.path}"

    def _move(self, old: str, new: str) -> None:
        """A file keeps what is known of it, in its new place; on another file system it is a copy."""
        source, target = self.root / old, self.root / new
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy = target.with_name(f".gpufleet-{target.name}")
            shutil.copyfile(source, copy)
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            copy.rename(target)
            source.unlink()
            self.known[old] = (self.known[old][0], self._mark(new))
            say(f"models/{new}: copied, as it is on another file system")
        if old in self.known:
            self.known[new] = self.known.pop(old)


@contextmanager
def alone(root: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Nobody else writes meanwhile; the system itself lets go of it when this process ends, however it does."""
    (root / ".incoming").mkdir(exist_ok=True)
    with (root / ".incoming" / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
