"""A run with a journal, and the report that is made of it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .. import __version__
from ..schema import HostReport, Report
from .ask import check_read, complaints, heard, last_words, nobody, options, waiting

LAST = ("Summary", "End the stack")  # the operations that a host is done with
Event = Mapping[str, Any]


def run(deploy: str, inventory: str, limit: tuple[str, ...], data: tuple[str, ...], *more: str) -> Report:
    """What a deploy of this name did; as far as it came, where somebody ended it. Raises Unasked.

    ``more``: what else the deploy is told.
    """
    begun, lines, code = time.time(), list[str](), 1
    with waiting("at work ..."), _ended_in_order(), TemporaryDirectory() as folder:
        journal, stopped = Path(folder) / "journal", False
        told = (inventory, f"gpufleet.deploys.{deploy}", f"journal={journal}", *more)
        try:
            code = heard(lines, "-y", *options(limit, data), *told)
        except KeyboardInterrupt:
            stopped = True
        said, events = "".join(lines), _read(journal)
    if not stopped and not events:
        check_read(said, inventory, "--> Connecting to hosts" in said)
    hosts = hosts_of(events, said)
    if not hosts:
        raise nobody(inventory, code, said)
    return Report(
        programs={"gpufleet": __version__, "pyinfra": version("pyinfra")},
        started=datetime.fromtimestamp(begun, UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - begun, 1),
        hosts=hosts,
    )


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """What a pipeline or a closed terminal ends is reported, too."""
    old = {s: signal.signal(s, signal.default_int_handler) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _read(journal: Path) -> list[dict[str, Any]]:
    """Its lines; the last one may be cut off."""
    if not journal.exists():
        return []
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def hosts_of(events: Iterable[Event], said: str) -> dict[str, HostReport]:
    """What was done to each host, by a journal's events and all that pyinfra ``said``: of a host that could not be
    asked it alone knows why, and of all if none could."""
    by: dict[str, list[Event]] = {}
    for event in events:
        by.setdefault(event["host"], []).append(event)
    why, words = complaints(said), last_words(said)
    return {name: _host(by.get(name, []), why.get(name, ""), words.get(name, [])) for name in sorted(by or why)}


def _host(events: list[Event], complaint: str, words: list[str]) -> HostReport:
    """``words``: what was said of it last, where an operation that failed has none of its own."""
    planned: Event = next((e for e in events if e["event"] == "planned"), {})
    done = [e for e in events if e["event"] == "operation"]
    problems = [e for e in events if e["event"] == "problem"]
    counted = [dict(e) for e in done if e["changed"] or e["failed"]]
    state = _state(events, done, problems, complaint)
    for one in counted:
        one["said"] = one["said"] or (words if one["failed"] else [])
    keep = ("name", "changed", "failed", "seconds", "said")
    return HostReport.model_validate(
        {
            **{key: planned[key] for key in ("changes", "before", "release", "urls", "kept") if key in planned},
            "state": state,
            "operations": [{key: one[key] for key in keep} for one in counted],
            "problems": [p["problem"] for p in problems] or ([complaint] if complaint and not planned else []),
            "seconds": round(sum(e["seconds"] for e in done), 1),
        }
    )


def _state(events: list[Event], done: list[Event], problems: list[Event], complaint: str) -> str:
    kinds = {e["event"] for e in events}
    if any(e["failed"] for e in done):
        return "failed"
    if problems:
        return str(problems[0]["state"])
    if early := kinds & {"waits", "asked"}:
        return str(early.pop())
    if "planned" not in kinds:
        return "failed" if complaint else "stopped"
    if not any(e["name"] in LAST for e in done):
        return "stopped"
    return "changed" if any(e["changed"] for e in done) else "same"
