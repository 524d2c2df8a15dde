"""What a run did, for people: folded to what changed, the same of several hosts once."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.console import Console
from rich.text import Text

from ..schema import HostReport, Report
from . import text, words
from .codes import worst

STATES = {
    "same": ("nothing to do", "green"),
    "changed": ("changed", "green"),
    "waits": ("the rest is planned after a reboot", "yellow"),
    "blocked": ("refused, and not touched", "red"),
    "failed": ("failed", "red"),
    "asked": ("would end; add --yes", "yellow"),
    "stopped": ("ended before it was done", "red"),
}


def told(found: Report, as_json: bool, quiet: bool = False) -> int:
    """Print a report, ``quiet``: unless there was nothing to do; the exit code."""
    states = {host.state for host in found.hosts.values()}
    if as_json:
        click.echo(found.model_dump_json(indent=1))
    elif not quiet or states != {"same"}:
        show(text.console(), found)
    return worst(states)


def show(console: Console, found: Report) -> None:
    """Print a report."""
    alike: dict[str, list[str]] = {}
    for name, host in found.hosts.items():
        alike.setdefault("\n".join([host.state, *lines(host)]), []).append(name)
    for told, names in alike.items():
        said, colour = STATES[told.partition("\n")[0]]
        console.print(Text.assemble((words.listed(names), "bold"), "  ", (said, colour)))
        for line in told.splitlines()[1:]:
            console.print(Text(f"  {line}"), soft_wrap=True)
    console.print(summary(found))


def lines(host: HostReport) -> Iterator[str]:
    """What is told of a host: why nothing was done, what was, and what failed with its last lines."""
    yield from host.problems
    yield from (one.name for one in host.operations if not one.failed)
    if host.failure:
        yield f"{host.failure.name}: failed; it said:"
        yield from (f"  {line}" for line in host.failure.said)
    if host.state == "asked":
        yield from (change.what for change in host.changes)
    yield from (f"stays: {path}, {words.size(size)}" for path, size in host.kept.items())
    if host.state == "changed":
        yield from (f"{name}: {url}" for name, url in host.urls.items())


def summary(found: Report) -> str:
    """
    >>> summary(Report(programs={}, started="", seconds=41.2, hosts={"a": HostReport(state="same")}))
    '1 host: 1 nothing to do; 41 s'
    """
    states = [host.state for host in found.hosts.values()]
    counted = ", ".join(f"{states.count(state)} {said}" for state, (said, _) in STATES.items() if state in states)
    return f"{len(states)} host{'s' * (len(states) != 1)}: {counted}; {found.seconds:.0f} s"
