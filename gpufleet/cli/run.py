"""A run with a journal, and the report that is made of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .. import __version__
from ..schema import HostReport, Report
from .ask import check_read, complaints, empty, heard, options, unasked, waiting

LAST = ("Summary", "End the stack")  # the operations that a host is done with


def run(deploy: str, inventory: str, limit: tuple[str, ...], data: tuple[str, ...], *more: str) -> Report:
    """What a deploy of this name did; as far as it came, where somebody ended it. Raises Unasked.

    ``more``: what else the deploy is told.
    """
    begun, lines, code = time.time(), list[str](), 1
    with waiting("at work ..."), TemporaryDirectory() as folder:
        journal, stopped = Path(folder) / "journal", False
        told = (inventory, f"gpufleet.deploys.{deploy}", f"journal={journal}", *more)
        try:
            code = heard(lines, "-y", *options(limit, data), *told)
        except KeyboardInterrupt:
            stopped = True
        said, events = "".join(lines), _read(journal)
        if not stopped:
            check_read(said, inventory, "--> Connecting to hosts" in said or bool(events))
    hosts = hosts_of(events, said)
    if not hosts:
        raise empty(inventory) if not code else unasked(said)
    return Report(
        programs={"gpufleet": __version__, "pyinfra": version("pyinfra")},
        started=datetime.fromtimestamp(begun, UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - begun, 1),
        hosts=hosts,
    )


def _read(journal: Path) -> list[dict[str, Any]]:
    """Its lines; the last one may be cut off."""
    if not journal.exists():
        return []
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def hosts_of(events: Iterable[Mapping[str, Any]], said: str) -> dict[str, HostReport]:
    """What was done to each host, by a journal's events and all that pyinfra ``said``: of a host that could not be
    asked it alone knows why."""
    told = complaints(said)
    by: dict[str, list[Mapping[str, Any]]] = {name: [] for name in told}
    for event in events:
        by.setdefault(event["host"], []).append(event)
    return {name: _host(by[name], told.get(name, "")) for name in sorted(by)}


def _host(events: list[Mapping[str, Any]], complaint: str) -> HostReport:
    planned: Mapping[str, Any] = next((e for e in events if e["event"] == "planned"), {})
    done = [e for e in events if e["event"] == "operation"]
    problems = [e for e in events if e["event"] == "problem"]
    told = {key: planned[key] for key in ("changes", "before", "release", "urls", "kept") if key in planned}
    return HostReport.model_validate(
        {
            **told,
            "state": _state(events, done, problems),
            "operations": [{k: v for k, v in s.items() if k not in ("host", "event")} for s in done if _counts(s)],
            "problems": [p["problem"] for p in problems] or ([] if planned else [complaint]),
            "seconds": round(sum(s["seconds"] for s in done), 1),
        }
    )


def _counts(one: Mapping[str, Any]) -> bool:
    return bool(one["changed"] or one["failed"])


def _state(events: list[Mapping[str, Any]], done: list[Mapping[str, Any]], problems: list[Mapping[str, Any]]) -> str:
    kinds = {e["event"] for e in events}
    if problems:
        return str(problems[0]["state"])
    if "planned" not in kinds or any(s["failed"] for s in done):
        return "failed"
    if early := kinds & {"waits", "asked"}:
        return str(early.pop())
    if not any(s["name"] in LAST for s in done):
        return "stopped"
    return "changed" if any(s["changed"] for s in done) else "same"
