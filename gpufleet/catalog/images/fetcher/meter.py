"""How far a fetch is, in words."""

from __future__ import annotations

import time
from threading import Event, Lock


class Meter:
    """How much came of all that was asked for; said every ``every`` seconds."""

    def __init__(self, every: float) -> None:
        self.every, self.total, self.done, self.came = every, 0, 0, 0
        self.lock, self.start, self.end = Lock(), time.monotonic(), Event()

    def wants(self, size: int, have: int) -> None:
        with self.lock:
            self.total, self.done = self.total + size, self.done + have

    def add(self, count: int) -> None:
        with self.lock:
            self.done, self.came = self.done + count, self.came + count

    def run(self) -> None:
        while not self.end.wait(self.every):
            rate = self.came / (time.monotonic() - self.start)
            left = f", {time_of(max(0, self.total - self.done) / rate)} left" if rate > 0 else ""
            if self.total:
                say(f"models: {size_of(self.done)} of {size_of(self.total)}, {size_of(rate)}/s{left}")


def size_of(count: float) -> str:
    """
    >>> size_of(512), size_of(1.25e9)
    ('512 B', '1.2 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.{unit in ('MB', 'GB'):d}f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def time_of(seconds: float) -> str:
    """
    >>> time_of(40), time_of(400), time_of(9000)
    ('40 s', '7 min', '2.5 h')
    """
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def say(line: str) -> None:
    print(line, flush=True)
