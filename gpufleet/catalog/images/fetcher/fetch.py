"""Fetch models: told by standard input, a token in the first line and JSON in the second; says how far it is.

Each file is brought over by tries that are watched, read once more against its digest, and given its name when it is
whole; what a try, or a run, has brought stays for the next.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any

from meter import Meter, say, size_of, time_of
from peer import reached, take
from store import Follower, Store, Wanted, alone, digest_of

TRANSFER = Path(__file__).with_name("transfer.py")
AT_ONCE = 4  # files
LONGEST = 600  # seconds that servers may want to be left alone in all, of a file
FULL = (errno.ENOSPC, errno.EDQUOT)


class Failed(Exception):
    """A file cannot be had, and why."""


class Fetcher:
    """Brings files of ``job`` into its store."""

    def __init__(self, store: Store, job: dict[str, Any], token: str, meter: Meter) -> None:
        self.store, self.job, self.token, self.meter = store, job, token, meter

    def ensure(self, f: Wanted) -> None:
        """Have ``f`` whole, under its name or as the part that is to get it. Raises Failed."""
        at, part = self.store.root / f.path, self.store.root / f.part
        if at.is_symlink() and not at.exists():
            raise Failed(f"is a link to {os.readlink(at)}, which containers do not see; put the file itself here")
        if at.exists() and self._right(f, f.path):
            return
        if at.exists() and not (f.text and self.store.untouched(f.path)):  # what we wrote we may write anew
            say(f"{f.label}: has other bytes than it should; set aside as {self.store.aside(at)}")
        if f.text or not f.bytes:
            part.write_text(f.text)
        elif (twin := self.store.twin(f.digest)) and twin != part:
            if not self.store.link(twin, part):
                say(f"{f.label}: copied, as its file system has no hard links")
            self.store.verified(f.part, f.digest)
        for wrong in range(2):
            if self._right(f, f.part):
                return
            if self._bring(f, part, wrong) == f.digest:
                self.store.verified(f.part, f.digest)
        if not self._right(f, f.part):
            part.unlink(missing_ok=True)
            raise Failed("its source has other bytes than it should; check the model's entry, then run again")

    def _right(self, f: Wanted, path: str) -> bool:
        """Whether the file there has the bytes; it is read only where that is not known."""
        if self.store.whole(path, f.digest):
            return True
        at = self.store.root / path
        if not at.exists() or at.stat().st_size != f.bytes or digest_of(at, f.digest.partition(":")[0]) != f.digest:
            return False
        self.store.verified(path, f.digest)
        return True

    def _bring(self, f: Wanted, part: Path, wrong: int) -> str:
        """Try until all bytes are there; their digest. ``wrong``: they have been, and were others. Raises Failed."""
        if wrong or _size_of(part) >= f.bytes:
            part.unlink(missing_ok=True)  # of the right size and yet not right, or too long
        follower = Follower(part, f.digest.partition(":")[0], f.bytes)
        follower.start()
        try:
            self._tries(f, part, f.urls[-1:] if wrong else f.urls, xet=not wrong)
        finally:
            digest = follower.end()
        return digest

    def _tries(self, f: Wanted, part: Path, urls: list[str], xet: bool) -> None:
        *peers, url = urls
        self.meter.wants(f.bytes, _size_of(part))
        for peer in peers:
            _as_long_as_it_helps(part, f, lambda peer=peer: take(peer, part, f.bytes, self.job["stall"], self._came))
        for cache in f.caches if xet else ():
            if reached(cache):
                _as_long_as_it_helps(part, f, lambda cache=cache: self._try(f, part, cache, hub=False, xet=False))
        why, last, bad, waited = "", _size_of(part), 0, 0
        while _size_of(part) < f.bytes and bad < self.job["tries"]:
            why, again, wait = self._try(f, part, url, f.hub, f.hub and xet)
            xet, have = False, _size_of(part)
            bad = 0 if have > last else bad + 1
            last, waited = have, waited + wait
            if not again:
                break
            if waited > LONGEST:
                raise Failed(f"{why}, and wants to be left alone for {time_of(wait)}; run again then")
            if wait:
                say(f"models/{f.path}: {why}: waiting {time_of(wait)}, as it asks")
            time.sleep(max(wait, min(self.job["pause"] * 2**bad, 60)))
        if _size_of(part) < f.bytes:
            raise Failed(why)

    def _try(self, f: Wanted, part: Path, url: str, hub: bool, xet: bool) -> tuple[str, bool, int]:
        """One try: why it failed, if it did, whether another may help, and in how many seconds at the earliest."""
        told = {"url": url, "part": str(part), "size": f.bytes, "hub": hub, "xet": xet}
        env = {**os.environ, "HF_ENDPOINT": self.job["endpoint"], "HF_HUB_DOWNLOAD_TIMEOUT": str(self.job["stall"])}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, TRANSFER], env=env, **pipes) as child:
            child.stdin.write(json.dumps({**told, "token": self.token if hub else ""}))
            child.stdin.close()
            try:
                return self._watch(url, child.stdout)
            finally:
                child.kill()
                part.with_name(f"{part.name}.xet").unlink(missing_ok=True)

    def _watch(self, url: str, lines: IO[str]) -> tuple[str, bool, int]:
        """Read what a try says, until it ends or nothing comes."""
        patience = 2 * self.job["stall"] + 10  # the client waits by itself, and asks again; and it has to start
        queue: Queue[str] = Queue()
        Thread(target=_into, args=(lines, queue), daemon=True).start()
        while True:
            try:
                line = queue.get(timeout=patience)
            except Empty:
                return f"nothing came of {url} for {patience:.0f} s", True, 0
            if not line.strip().removeprefix("-").isdecimal():
                told = json.loads(line or '{"why": "", "again": true, "wait": 0}')
                return told["why"], told["again"], told["wait"]
            self._came(int(line))

    def _came(self, count: int) -> None:
        """So many bytes: is there room for more?"""
        self.meter.add(count)
        free = os.statvfs(self.store.root)
        if free.f_bavail * free.f_frsize < (reserve := self.job["reserve"]):
            raise Failed(f"less than {size_of(reserve)} would stay free on its disk; free some, then run again")


def _into(lines: IO[str], queue: Queue[str]) -> None:
    for line in lines:
        queue.put(line)
    queue.put("")


def _as_long_as_it_helps(part: Path, f: Wanted, bring: Callable[[], object]) -> None:
    last = -1
    while last < _size_of(part) < f.bytes:
        last = _size_of(part)
        bring()


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def groups(files: Iterable[Wanted]) -> list[list[Wanted]]:
    """What is seen at once: the files of a folder, or one."""
    found: dict[str, list[Wanted]] = {}
    for f in files:
        found.setdefault(f.folder or f.path, []).append(f)
    return [*found.values()]


def fetch(fetcher: Fetcher, files: list[Wanted]) -> list[str]:
    """Bring all of them; what could not be had."""
    wrong: dict[str, str] = {}

    def one(f: Wanted) -> None:
        try:
            fetcher.ensure(f)
        except (Failed, OSError) as error:
            wrong[f.path] = f"{f.label}: {_why(error)}"

    first = {f.part: f for f in files}  # of the same bytes under two names, one brings them
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, first.values()))
    for group in groups(files):
        if not all(fetcher.store.untouched(path) for f in group for path in f.after):
            continue  # they could not be had, or another host fetches them
        if not any(f.part in {w.part for w in files if w.path in wrong} for f in group):
            for f in group:
                one(f)  # its twin may have got its name meanwhile
            try:
                fetcher.store.show(group)
            except OSError as error:
                wrong[group[0].path] = f"models/{group[0].path}: {_why(error)}"
    return [*wrong.values()]


def _why(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    fix = "free some" if error.errno in FULL else "mend that"
    return f"{(error.strerror or str(error)).lower()} ({error.filename or 'models'}); {fix}, then run again"


def main() -> int:
    token, job = sys.stdin.readline().strip(), json.loads(sys.stdin.readline())
    root, files = Path(job["root"]), [Wanted(**told) for told in job["files"]]
    meter = Meter(job["every"])
    try:
        with alone(root, lambda: say("models: another run fetches here; this one waits for it")):
            store = Store(root)
            store.gather(files)
            Thread(target=meter.run, daemon=True).start()
            wrong = fetch(Fetcher(store, job, token, meter), files)
    except OSError as error:
        wrong = [f"models: {_why(error)}"]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
