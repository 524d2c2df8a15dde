"""`gpufleet apply`: bring the hosts to what is declared, say what that did, and write it down."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from .. import __version__
from ..schema import HostReport, Report
from . import options, outcome, reports, text
from .ask import check_read, complaints, empty, heard, unasked, waiting
from .ask import options as spelled
from .codes import worst

LAST = "Summary"  # the operation that a host is done with


@click.command()
@options.hosts
@click.option("--json", "as_json", is_flag=True, help="The report as JSON; docs/report.schema.json describes it.")
@click.option("--quiet", is_flag=True, help="Print nothing when there was nothing to do.")
@click.option(
    "--report",
    "files",
    multiple=True,
    callback=reports.checked,
    metavar="FILE",
    help="Write the report, as FILE ends: .json, .md (for a pull request), .xml (JUnit). May be repeated.",
)
def apply(
    inventory: str, limit: tuple[str, ...], data: tuple[str, ...], as_json: bool, quiet: bool, files: tuple[Path, ...]
) -> int:
    """Bring every host of INVENTORY to what is declared for it; what is right already stays as it is.

    Nothing is asked. Ends with 0 when all is as it should be, 1 when a host failed or could not be reached, 3 when
    one was refused, and not touched, 2 when the rest comes after a reboot, 64 when the command line is wrong.
    """
    found = _run(inventory, limit, data)
    for file in files:
        reports.write(file, found)
    if as_json:
        click.echo(found.model_dump_json(indent=1))
    elif not quiet or {h.state for h in found.hosts.values()} != {"same"}:
        outcome.show(text.console(), found)
    return worst(h.state for h in found.hosts.values())


def _run(inventory: str, limit: tuple[str, ...], data: tuple[str, ...]) -> Report:
    """What the run did; as far as it came, where somebody ended it. Raises Unasked."""
    begun, lines, code = time.time(), list[str](), 1
    with waiting("at work ..."), TemporaryDirectory() as folder:
        journal, stopped = Path(folder) / "journal", False
        told = (inventory, "gpufleet.deploys.apply", f"journal={journal}")
        try:
            code = heard(lines, "-y", *spelled(limit, data), *told)
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
    told = {key: planned[key] for key in ("changes", "before", "release", "urls") if key in planned}
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
    if "waits" in kinds:
        return "waits"
    if not any(s["name"] == LAST for s in done):
        return "stopped"
    return "changed" if any(s["changed"] for s in done) else "same"
