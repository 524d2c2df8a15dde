"""The journal of a run: what was to be done to each host, and each operation as it ends, a line of JSON each.

It is there as far as the run came, however that was ended.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State

LINES = 40  # of what an operation that failed has said
_OPEN: WeakKeyDictionary[State, Journal] = WeakKeyDictionary()


class Journal(BaseStateCallback):
    """Of one run, in a ``file`` that it makes."""

    def __init__(self, file: Path) -> None:
        self._file, self._begun = file.open("w", encoding="utf-8"), dict[tuple[str, str], float]()

    def note(self, host: Host, event: str, **told: Any) -> None:
        self._file.write(json.dumps({"host": host.name, "event": event, **told}) + "\n")
        self._file.flush()

    def operation_host_start(self, state: State, host: Host, op_hash: str) -> None:  # type: ignore[override]
        self._begun[host.name, op_hash] = time.monotonic()

    def operation_end(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        """What an operation gave is known once all hosts have done it."""
        name = sorted(state.get_op_meta(op_hash).names)[0].rpartition("| ")[2]
        for host in state.inventory:
            if (host.name, op_hash) in self._begun and op_hash in state.ops[host]:
                meta = state.ops[host][op_hash].operation_meta
                if meta.is_complete():
                    self._ended(host, name, op_hash, meta)

    def _ended(self, host: Host, name: str, op_hash: str, meta: Any) -> None:
        failed = not meta.did_succeed()
        said = [line for line in (*meta.stdout_lines, *meta.stderr_lines) if line.strip()] if failed else []
        seconds = round(time.monotonic() - self._begun[host.name, op_hash], 1)
        told = {"changed": meta.did_change(), "failed": failed, "seconds": seconds, "said": said[-LINES:]}
        self.note(host, "operation", name=name, **told)


def begin(state: State, file: str) -> None:
    """Write a journal of this run, once for all its hosts."""
    if state not in _OPEN:
        _OPEN[state] = journal = Journal(Path(file))
        state.add_callback_handler(journal)


def note(host: Host, event: str, **told: Any) -> None:
    """A line about a host, where somebody wants a journal."""
    if journal := _OPEN.get(host.state):
        journal.note(host, event, **told)
