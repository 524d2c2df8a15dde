"""Background programs with recorded process ids, so that a later command, or one after a crash, can end them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .paths import CACHE, RUN
from .shell import LabError, until

PIDS = RUN / "pids"


def _started(pid: int) -> str | None:
    """When a process was started, in clock ticks since boot; None: there is none. A pid alone may be reused."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def pid_of(name: str, as_of: str | None = None) -> int | None:
    """The process id of a program that runs, and if ``as_of`` is given, that was started with it."""
    try:
        pid, started, version = (PIDS / name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _started(int(pid)) == started and as_of in (None, version) else None


def start(name: str, *command: str | Path, env: Mapping[str, str] | None = None, config: str = "") -> None:
    """Start a program unless it runs, again when its command or ``config`` has changed; it logs to ``run/NAME.log``."""
    version = hashlib.sha256(f"{command} {config}".encode()).hexdigest()[:12]
    if pid_of(name, version):
        return
    stop(name)
    PIDS.mkdir(parents=True, exist_ok=True)
    number = PIDS / f".{name}"
    number.unlink(missing_ok=True)
    # A session of its own, and no child of ours: it outlives the command that starts it.
    detached = ["setsid", "--fork", "sh", "-c", 'echo $$ >"$0"; exec "$@"', number, *command]
    with log(name).open("ab") as out:
        subprocess.run(
            detached, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **(env or {})}, check=True
        )
    until(f"the start of {name}", lambda: number.exists() and number.read_text().endswith("\n"), 10)
    pid = int(number.read_text())
    (PIDS / name).write_text(f"{pid} {_started(pid)} {version}")
    number.unlink()


def log(name: str) -> Path:
    return RUN / f"{name}.log"


def stop(name: str, gently: bool = True) -> None:
    """End a program with all of its process group."""
    pid = pid_of(name)
    if pid:
        for number in (signal.SIGTERM, signal.SIGKILL) if gently else (signal.SIGKILL,):
            try:
                os.killpg(pid, number)
                until(f"the end of {name}", lambda: pid_of(name) is None, 10)
                break
            except (ProcessLookupError, LabError):
                continue
    (PIDS / name).unlink(missing_ok=True)


def names() -> list[str]:
    """Programs that were started and not stopped."""
    return sorted(p.name for p in PIDS.glob("[!.]*")) if PIDS.exists() else []


def end_strays() -> None:
    """End what runs out of the lab's folders without being recorded: a command was killed while it started it."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = process.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
            ours = any(word.startswith((f"{RUN}/", f"{CACHE}/")) for word in words)
            if ours or process.joinpath("root").readlink().is_relative_to(CACHE):
                os.kill(int(process.name), signal.SIGKILL)
