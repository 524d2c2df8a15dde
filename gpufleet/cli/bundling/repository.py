"""One repository of a registry: manifests and blobs by digest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx

from ..locking.patience import TIMEOUT
from ..locking.registry import base, login
from .tree import CHUNK, size_of


class Repository:
    """``name``: with the registry's host in front, as images have it."""

    def __init__(self, name: str) -> None:
        self.server, _, self.path = name.partition("/")
        self.token = ""

    @contextmanager
    def get(self, what: str, **headers: str) -> Iterator[httpx.Response]:
        """An answer that is no error; where a registry asks everybody for a token, with one."""
        url = f"{base(self.server)}/v2/{self.path}/{what}"
        for last in (False, True):
            # Which httpx does not send on to another server.
            sent = {**headers, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
            with httpx.stream("GET", url, headers=sent, timeout=TIMEOUT, follow_redirects=True) as answer:
                if not last and (token := login(answer)):
                    self.token = token
                    continue
                answer.raise_for_status()
                yield answer
                return

    def rest(self, digest: str, size: int, part: Path) -> Iterator[int]:
        """Bring what ``part`` lacks of a blob: how many bytes came, one after the other. Raises httpx.HTTPError."""
        start = size_of(part)
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        with self.get(f"blobs/{digest}", **headers) as answer, part.open("ab") as file:
            if start and answer.status_code != httpx.codes.PARTIAL_CONTENT:
                file.truncate(start := 0)
            for data in answer.iter_raw():  # in chunks of a size, what came of one that is cut off would be lost
                file.write(data[: size - start])  # who sends without end fills no disk
                start += len(data)
                yield len(data)
                if start >= size:
                    return
        raise httpx.RemoteProtocolError(f"{start} of {size} bytes came")


def digest_of(part: Path) -> str:
    """What is in a file."""
    found = sha256()
    with part.open("rb") as file:
        while data := file.read(CHUNK):
            found.update(data)
    return f"sha256:{found.hexdigest()}"
