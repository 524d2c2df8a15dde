"""A forecast for people: a page for each host, one for those that are alike; nothing is told by colour alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..schema import Forecast, HostForecast
from ..schema.forecast import Change
from . import words

OUTLOOK = {
    "same": ("nothing to do", "green"),
    "changes": ("{} to make", "yellow"),
    "waits": ("{}, and the rest is planned after a reboot", "yellow"),
    "blocked": ("blocked: a run would touch nothing", "red"),
    "failed": ("failed: nothing is known of it", "red"),
}
SUM = {"same": "nothing to do", "changes": "with changes", "waits": "waiting", "blocked": "blocked", "failed": "failed"}
SIGNS = {"create": "+", "recreate": "~", "start": ">", "remove": "-"}
UNFOLDED = 2000
COLOURS = {"blocks": "red", "warns": "yellow", "informs": "default"}


def console(stderr: bool = False) -> Console:
    """As wide as its terminal; what goes into a pipe or a file is not folded."""
    found = Console(highlight=False, markup=False, emoji=False, stderr=stderr)
    found.width = max(found.width, 60) if found.is_terminal else UNFOLDED
    return found


def show(console: Console, found: Forecast, rate: float) -> None:
    """Print a forecast."""
    for page, alike in _pages(console, found, rate).items():
        console.print(_title(alike, found.hosts[alike[0]]))
        console.print(Text.from_ansi(page), soft_wrap=True)
        console.print()
    console.print(_sum(found, rate))


def _pages(console: Console, found: Forecast, rate: float) -> dict[str, list[str]]:
    """Hosts by what is told of them: those that are alike share a page."""
    pages: dict[str, list[str]] = {}
    for name, host in found.hosts.items():
        with console.capture() as printed:
            console.print(_page(host, rate))
        head = f"{host.state} {host.role} {host.stack} {host.root}\n"
        page = "\n".join(line.rstrip() for line in printed.get().splitlines())
        pages.setdefault(head + page, []).append(name)
    return {page.partition("\n")[2]: names for page, names in pages.items()}


def _title(alike: list[str], host: HostForecast) -> Text:
    words_, colour = OUTLOOK[host.state]
    count = len(host.changes)
    outlook = words_.format(f"{count} change{'s' * (count != 1)}")
    tier = f", tier {host.tier}," if host.tier else ""
    what = f"  {host.role}, {host.stack}{tier} in {host.root}" if host.stack else ""
    many = f" ({len(alike)} hosts alike)" if len(alike) > 1 else ""
    return Text.assemble((", ".join(alike), "bold"), f"{many}{what}\n", ("  " + outlook, colour))


def _page(host: HostForecast, rate: float) -> RenderableType:
    parts = (_problems(host), _memories(host), _services(host), _downloads(host, rate), _changes(host), _findings(host))
    found = [Padding(part, (0, 0, 0, 2), expand=False) for some in parts for part in some]
    return Group(*(line for part in found for line in (Text(), part)))


def _problems(host: HostForecast) -> Iterator[RenderableType]:
    if host.problems:
        yield Text("\n".join(host.problems))


def grid(columns: int, rows: Iterable[tuple[str | Text, ...]], folds: int | None = None) -> Table:
    """Columns as wide as they need to be; the last one folds, or ``folds``."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for n in range(columns):
        folding = n == (columns - 1 if folds is None else folds)
        table.add_column(no_wrap=not folding, overflow="fold", ratio=1 if folding else None)
    for row in rows:
        table.add_row(*row)
    return table


def _memories(host: HostForecast) -> Iterator[RenderableType]:
    called, rows = words.names(host), []
    for book in host.ledgers:
        name = f"{called[book.device]} {book.name}" if book.device != "ram" else "RAM"
        over = f", OVER by {words.gib(book.over_mib)}" if book.over_mib else ""
        asked = f"{words.gib(book.used_mib)} of {words.gib(book.capacity_mib)} GiB{over}"
        rows.append((words.bar(book), asked, name))
    rows += [("not usable", "", c.name or c.pci_id or c.vendor) for c in host.cards if not c.usable]
    if rows:
        yield grid(3, rows)


def _services(host: HostForecast) -> Iterator[RenderableType]:
    if not (host.services or host.externals):
        return
    table = grid(4, [(Text("SERVICE", "dim"), Text("ON", "dim"), Text("PORT", "dim"), Text("IMAGE, REASON", "dim"))])
    for s in host.services:
        table.add_row(s.name, words.place(s, host), words.ports(s), f"{s.image}\n{s.reason}")
    for e in host.externals:
        table.add_row(e.name, "external", "-", e.at)
    yield table


def _downloads(host: HostForecast, rate: float) -> Iterator[RenderableType]:
    rows = [("pull", pull.image, words.pulled(pull, rate)) for pull in host.images]
    rows += [("build", words.name(b), words.built(b)) for b in host.builds]
    for fetch in host.downloads:
        part = f" of {words.size(fetch.bytes)}" if fetch.left < fetch.bytes else ""
        rows.append(("fetch", words.file(fetch), f"{words.size(fetch.left)}{part}, {words.minutes(fetch.left, rate)}"))
    if len(rows) > 1 and (whole := words.total(host)):
        rows.append(("total", "", f"{words.size(whole)}, {words.minutes(whole, rate)}"))
    if rows:
        yield grid(3, rows, folds=1)


def _changes(host: HostForecast) -> Iterator[RenderableType]:
    rows: list[tuple[str, str]] = []
    for kind, group in groupby(host.changes, lambda change: change.kind):
        for said in _joined(_told(host, group)):
            rows.append(("" if rows and rows[-1][0] == kind else kind, said))
    rows += [(f"{SIGNS[c.action]} {c.action}", f"{c.service}: {c.why}") for c in host.containers]
    if rows:
        yield grid(2, rows)


def _told(host: HostForecast, group: Iterable[Change]) -> Iterator[tuple[str, str]]:
    """Changes as (of what, how), without those told elsewhere, and without names that are each host's own."""
    services = tuple(f"{c.service}: " for c in host.containers)
    for change in group:
        what = _plain(host, change.what.removeprefix("package "))
        if change.kind != "models" and not (change.kind == "run" and what.startswith(services)):
            of, _, how = what.rpartition(": ")
            yield of, how


def _plain(host: HostForecast, what: str) -> str:
    """``what`` without the names of releases and cards."""
    new = "a new one" if host.current else "the first run: there is none yet"
    what = re.sub(rf"current is .+, not {host.release}", "that release does not run yet", what)
    what = re.sub(rf"verified is .+, not {host.release}", "that it answers is not proved yet", what)
    plain = {f"release {host.release} is not there": new}
    plain |= {device: name for device, name in words.names(host).items() if device != "ram"}
    for name, word in plain.items():
        what = what.replace(name, word) if name else what
    return what


def _joined(told: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What is wrong in the same way, in one line."""
    same: dict[str, list[str]] = {}
    for of, how in told:
        same.setdefault(how, []).append(of)
    for how, those in same.items():
        yield f"{words.listed(those)}: {how}" if those[0] else how


def _findings(host: HostForecast) -> Iterator[RenderableType]:
    rows = [(Text(f.severity, COLOURS[f.severity]), _plain(host, str(f))) for f in host.findings]
    if rows:
        yield grid(2, rows)


def _sum(found: Forecast, rate: float) -> Text:
    states = [h.state for h in found.hosts.values()]
    counted = ", ".join(f"{states.count(state)} {word}" for state, word in SUM.items() if state in states)
    totals = [words.total(h) for h in found.hosts.values()]
    count = f"{len(states)} host{'s' * (len(states) != 1)}: {counted}"
    if not any(totals):
        return Text(count)
    beside = " beside images of unknown size" * any(None in words.images(h) for h in found.hosts.values())
    slowest = words.minutes(max(totals), rate)
    return Text(f"{count}; {words.size(sum(totals))} to fetch{beside}, {slowest} at {rate:g} Mbit/s a host")
