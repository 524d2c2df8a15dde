"""Faults: what a bad server, or a bad way to it, does to answers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from .answer import Answer, refused

Kind = Literal["status", "stall", "cut", "short", "wrong", "slow", "whole", "etag", "commit"]
# What these do is in a body: a HEAD shall not use them up.
IN_BODY = ("stall", "cut", "short", "wrong", "slow", "whole")


@dataclass(frozen=True)
class Fault:
    """A fault of the requests for ``path``.

    - ``status``: it answers ``status`` with ``headers`` (429 with ``Retry-After``, 503, 403 ...)
    - ``stall``: ``after`` bytes of the body, then nothing more; with 0 not even a header
    - ``cut``: ``after`` bytes of the body, then the connection ends; with 0 without a header
    - ``short``: a whole answer of the first ``after`` bytes, with that length
    - ``wrong``: every byte another one, in the right number
    - ``slow``: ``rate`` bytes a second
    - ``whole``: a Range is ignored
    - ``etag``, ``commit``: it tells another one than it should

    Args:
        path: the end of a path (``model.gguf``), or a pattern of a whole one (``*/revision/main``), without the query.
        times: how many requests meet it; for ever without.
        method: GET or HEAD alone; without it what is in bodies is met by GET, and the rest by both.

    """

    kind: Kind
    path: str = "*"
    times: int | None = None
    method: str | None = None
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    after: int = 0
    rate: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind: {self.kind}: no such fault; it is one of {', '.join(get_args(Kind))}")
        if self.kind == "slow" and self.rate < 1:
            raise ValueError("rate: slow needs bytes a second; give at least 1")

    def meets(self, method: str, path: str) -> bool:
        methods = (self.method,) if self.method else ("GET",) if self.kind in IN_BODY else (method,)
        return self.times != 0 and method in methods and matches(path, self.path)

    def spoiled(self, answer: Answer) -> Answer:
        """The answer with what of the fault is in its head."""
        if self.kind == "status":
            return refused(self.status, f"fault {self.status}", headers=self.headers)
        other = {"etag": ("ETag", "X-Linked-Etag"), "commit": ("X-Repo-Commit",)}.get(self.kind, ())
        changed = {name: answer.headers[name].translate(OTHER_HEX) for name in other if name in answer.headers}
        return Answer(answer.status, answer.content, {**answer.headers, **changed})


OTHER_HEX = str.maketrans("0123456789abcdef", "123456789abcdef0")


def matches(path: str, pattern: str) -> bool:
    """Whether a request's path ends in ``pattern`` or is one of it.

    >>> matches("/a/b/resolve/main/m.gguf", "m.gguf"), matches("/files/xm.gguf", "m.gguf")
    (True, False)
    >>> matches("/api/models/a/b/tree/main", "*/tree/*")
    True
    """
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"*/{pattern}")


class Faults:
    """The faults that are set: a request meets the first that is for it, so that several make a sequence."""

    def __init__(self) -> None:
        self._set: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, kind: Kind, path: str = "*", **options: Any) -> None:
        """Set one more; ``options`` are the fields of :class:`Fault`."""
        self.put(Fault(kind, path, **options))

    def put(self, *faults: Fault) -> None:
        with self._lock:
            self._set.extend(faults)

    def clear(self) -> None:
        with self._lock:
            self._set.clear()

    def all(self) -> list[Fault]:
        with self._lock:
            return list(self._set)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted down."""
        with self._lock:
            for at, fault in enumerate(self._set):
                if fault.meets(method, path):
                    if fault.times is not None:
                        self._set[at] = replace(fault, times=fault.times - 1)
                    return fault
        return None
