"""The doctor's report of a fleet: one finding once, with the hosts that have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..catalog import findings
from ..schema import Finding, Gpu, HostFacts

ORDER = ("blocks", "warns", "informs")


@dataclass(frozen=True)
class Checked:
    """One host. ``facts`` None: it could not be asked, and ``problem`` says why."""

    role: str
    facts: HostFacts | None
    findings: Sequence[Finding] = ()
    problem: str = ""


def text(hosts: Mapping[str, Checked]) -> list[str]:
    """The report for people: the cards of every host, then each finding with its evidence, cause and fix."""
    lines = [*table(hosts), ""]
    lines += [f"{host}: {checked.problem}" for host, checked in hosts.items() if checked.problem]
    for id_, where in _grouped(hosts).items():
        kind, severity = findings()[id_], min((f.severity for _, f in where), key=ORDER.index)
        lines += [f"{id_} ({severity}): {kind.title}"]
        lines += [f"  {', '.join(names)}: {said}" for said, names in _said(where).items()]
        lines += [f"  cause: {kind.cause}", f"  fix: {kind.fix}", ""]
    blocked = sum(any(f.severity == "blocks" for f in c.findings) or bool(c.problem) for c in hosts.values())
    return [*lines, f"{len(hosts)} host{'s' * (len(hosts) != 1)}, {blocked} with something that blocks"]


def data(hosts: Mapping[str, Checked]) -> dict[str, Any]:
    """The report for programs: hosts with their cards, findings with their hosts."""
    cards = {h: [g.to_json() for g in c.facts.gpus.cards] if c.facts else [] for h, c in hosts.items()}
    return {
        "hosts": {h: {"role": c.role, "problem": c.problem, "cards": cards[h]} for h, c in hosts.items()},
        "findings": [_entry(id_, where) for id_, where in _grouped(hosts).items()],
    }


def _entry(id_: str, where: list[tuple[str, Finding]]) -> dict[str, Any]:
    kind = findings()[id_]
    seen = [{"host": h, "severity": f.severity, "where": f.where, "what": f.what} for h, f in where]
    return {"id": id_, "title": kind.title, "cause": kind.cause, "fix": kind.fix, "seen": seen}


def _grouped(hosts: Mapping[str, Checked]) -> dict[str, list[tuple[str, Finding]]]:
    """Findings with their host by id, worst first."""
    found = [(host, f) for host, checked in hosts.items() for f in checked.findings]
    grouped: dict[str, list[tuple[str, Finding]]] = {}
    for host, finding in sorted(found, key=lambda pair: (ORDER.index(pair[1].severity), pair[1].id)):
        grouped.setdefault(finding.id, []).append((host, finding))
    return grouped


def _said(where: list[tuple[str, Finding]]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for host, finding in where:
        said.setdefault(" ".join(f"{finding.where}: {finding.what}".split()), []).append(host)
    return said


def table(hosts: Mapping[str, Checked]) -> list[str]:
    """Host, role, and a line for each kind of card that it has."""
    rows: list[tuple[str, ...]] = [("HOST", "ROLE", "CARDS", "VRAM", "DRIVER", "STATE")]
    for host, checked in hosts.items():
        cards = checked.facts.gpus.cards if checked.facts else ()
        alike: dict[tuple[str, ...], int] = {}
        for card in cards:
            row = (card.name or card.pci_id or card.vendor, _size(card), _driver(card), _state(card))
            alike[row] = alike.get(row, 0) + 1
        rows += [(host, checked.role, f"{n} x {row[0]}", *row[1:]) for row, n in alike.items()]
        rows += [] if alike else [(host, checked.role, "none" if checked.facts else "?", "", "", "")]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _size(card: Gpu) -> str:
    if card.vram_total_mib is None:
        return "shared" if card.memory_kind == "unified" else "?"
    return f"{card.vram_total_mib} MiB" + (" (by its id)" if card.vram_source == "table" else "")


def _driver(card: Gpu) -> str:
    return " ".join(w for w in (card.kernel_driver, card.driver_version) if w) or "none"


def _state(card: Gpu) -> str:
    return {True: "usable", False: "not usable", None: "unknown"}[card.usable]
