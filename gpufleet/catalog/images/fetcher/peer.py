"""Take a file from another host of the run: with Python alone, as the Hub's client takes its time to start."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

CHUNK = 1 << 20
REACHED = 3  # seconds: behind a firewall nobody answers


def reached(url: str) -> bool:
    """Whether anybody answers there at all."""
    parts = urlsplit(url)
    with suppress(OSError), socket.create_connection((parts.hostname or "", parts.port or 80), timeout=REACHED):
        return True
    return False


def take(url: str, part: Path, size: int, patience: float, came: Callable[[int], None]) -> None:
    """The bytes at ``url`` behind those that ``part`` has, as many as come. ``came`` is told how many."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=REACHED)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.connect()
        connection.sock.settimeout(patience)
        with part.open("ab", buffering=0) as file:
            connection.request("GET", parts.path, headers={"Range": f"bytes={os.fstat(file.fileno()).st_size}-"})
            answer = connection.getresponse()
            if answer.status != http.client.PARTIAL_CONTENT:
                return
            buffer = memoryview(bytearray(CHUNK))
            while (count := answer.readinto(buffer)) and file.tell() + count <= size:
                file.write(buffer[:count])
                came(count)
