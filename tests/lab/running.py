"""Programs that run as long as a test needs them."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .shell import LabError, until


@contextmanager
def running(
    *command: str | Path,
    cwd: Path,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
    address: str = "127.0.0.1",
) -> Iterator[subprocess.Popen[bytes]]:
    """A program until the block ends, from when it listens at ``port``."""
    with (cwd / "log").open("ab") as log:
        program = subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=log, stderr=log)
    try:
        if port:
            until(f"{command[0]} at {port}: {cwd}/log", lambda: _alive(program, cwd) and listens(port, address))
        yield program
    finally:
        program.kill()
        program.wait()


def _alive(program: subprocess.Popen[bytes], cwd: Path) -> bool:
    if program.poll() is not None:
        raise LabError(f"{cwd}: its program ended with {program.returncode}: {(cwd / 'log').read_text()[-2000:]}")
    return True


def listens(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket() as s:
        return s.connect_ex((address, port)) == 0


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
