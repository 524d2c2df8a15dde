"""The journal of a run: what was to be done to each host, and each operation as it ends, a line of JSON each.

It is there as far as the run came, however that was ended.
"""

from __future__ import annotations

import atexit
import json
import time
from pathlib import Path
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State
from typing_extensions import override

LINES = 40  # of what an operation that failed has said
_OPEN: dict[State, Journal] = {}


class Journal(BaseStateCallback):
    """Of one run, in a ``file`` that it makes."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", encoding="utf-8")
        self._begun: dict[tuple[Host, str], float] = {}
        self._took: dict[tuple[Host, str], float] = {}

    def note(self, host: Host, event: str, **told: Any) -> None:
        self._file.write(json.dumps({"host": host.name, "event": event, **told}) + "\n")
        self._file.flush()

    @override
    def operation_host_start(self, state: State, host: Host, op_hash: str) -> None:  # type: ignore[override]
        self._begun[host, op_hash] = time.monotonic()

    @override
    def operation_host_success(self, state: State, host: Host, op_hash: str, *_: int) -> None:  # type: ignore[override]
        self._took[host, op_hash] = round(time.monotonic() - self._begun[host, op_hash], 1)

    operation_host_error = operation_host_success  # type: ignore[assignment]

    @override
    def operation_end(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        self.ended(state)

    def ended(self, state: State) -> None:
        """Note the operations that have ended since: what they gave is known only some time after they did."""
        for (host, op_hash), seconds in [*self._took.items()]:
            meta = state.ops[host][op_hash].operation_meta if op_hash in state.ops[host] else None
            if meta and meta.is_complete():
                del self._took[host, op_hash]
                name = sorted(state.get_op_meta(op_hash).names)[0].rpartition("| ")[2]
                self.note(host, "operation", name=name, seconds=seconds, **_gave(meta))


def _gave(meta: Any) -> dict[str, Any]:
    failed = not meta.did_succeed()
    said = [line for line in (*meta.stdout_lines, *meta.stderr_lines) if line.strip()] if failed else []
    return {"changed": meta.did_change(), "failed": failed, "said": said[-LINES:]}


def begin(state: State, file: str) -> None:
    """Write a journal of this run, once for all its hosts."""
    if state not in _OPEN:
        _OPEN[state] = journal = Journal(Path(file))
        for host in meant(state):
            journal.note(host, "meant")
        state.add_callback_handler(journal)
        atexit.register(journal.ended, state)  # pyinfra ends in the middle of an operation that fails on all hosts


def meant(state: State) -> list[Host]:
    """The hosts of this run, those that cannot be reached too."""
    return state.limit_hosts if isinstance(state.limit_hosts, list) else list(state.inventory)


def wanted(host: Host) -> bool:
    return host.state in _OPEN


def note(host: Host, event: str, **told: Any) -> None:
    """A line about a host, where somebody wants a journal."""
    if journal := _OPEN.get(host.state):
        journal.note(host, event, **told)
