"""Running commands, and saying what takes time."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .paths import CACHE, HOME


class LabError(Exception):
    """What went wrong, in one line, perhaps with the last lines of a log behind it."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took if that was more than a second."""
    start = time.monotonic()
    print(f"lab: {what} ...", flush=True)
    yield
    took = time.monotonic() - start
    if took > 1:
        print(f"lab: {what}: {took:.1f} s", flush=True)


def run(*args: str | Path, check: bool = True, stdin: bytes = b"") -> str:
    """What a command prints. Its errors, and on failure its output, go into one LabError."""
    done = subprocess.run([str(a) for a in args], input=stdin, capture_output=True, check=False)
    if check and done.returncode:
        tail = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()[-20:]
        raise LabError("\n".join([f"{args[0]} {args[1] if len(args) > 1 else ''} failed ({done.returncode})", *tail]))
    return done.stdout.decode(errors="replace")


def mounted(path: Path) -> bool:
    """Whether something is mounted there. Path.is_mount does not see a bind mount from the same file system."""
    return any(line.split()[1] == str(path) for line in Path("/proc/self/mounts").read_text().splitlines())


def replace(path: Path, text: str) -> None:
    """Write a file that somebody else may read just now: they see the old text or the new one."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.rename(path)


def until(what: str, test: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until ``test`` holds."""
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)


def cached(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` fills, kept as long as ``recipe`` stays the same. It appears whole or not at all."""
    path = CACHE / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if not path.exists():
        new = CACHE / f"{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        with step(f"making {name}"):
            make(new)
        new.rename(path)
        for old in CACHE.glob(f"{name}-*"):
            if old != path and len(old.name) == len(path.name):
                shutil.rmtree(old, ignore_errors=True)
    return path


@contextmanager
def exclusive() -> Iterator[None]:
    """One lab command at a time."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("lab: waiting for another lab command", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
