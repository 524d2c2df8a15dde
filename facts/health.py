"""Everything the doctor asks of a host, in one remote command."""

from __future__ import annotations

from typing import Any

from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..catalog import findings
from ..schema import Health, HostFacts
from . import host
from .section import Section, parse, probe

Signs = dict[str, tuple[tuple[str, str], ...]]

# The kernel's log needs root, or is in the journal alone.
PRELUDE = r"""
say() { printf '%s\t%s\n' "$1" "$2" | tr '\r' ' '; }
dmesg() { command dmesg 2>/dev/null || journalctl -kb --no-pager -o cat; }
"""


def _script() -> str:
    """All signs, each with its finding's id before every line; the time limit keeps a hanging tool to itself."""
    signs = ((id_, kind.sign) for id_, kind in findings().items() if kind.sign)
    return PRELUDE + "".join(f"(\n{sign.strip()}\n) | sed 's/^/{id_} /'\n" for id_, sign in signs)


def parse_signs(lines: list[str]) -> Signs:
    """``ID WHERE<tab>WHAT`` lines, by id."""
    found: Signs = {}
    for line in lines:
        id_, _, said = line.partition(" ")
        where, tab, what = said.partition("\t")
        if tab and id_ in findings():
            found[id_] = (*found.get(id_, ()), (where, what.strip()))
    return found


def parse_clock(lines: list[str]) -> int | None:
    """Seconds since 1970."""
    return next((int(line) for line in lines if line.isdecimal()), None)


OWN: list[Section[Any]] = [Section("clock", "date +%s", parse_clock), Section("signs", _script(), parse_signs)]


class Checkup(FactBase[tuple[HostFacts, Health] | None]):
    """Returns HostFacts and Health; None when the host did not answer.

    ``models``, ``operators``, ``urls``, ``kept``, ``secrets``, ``quota``, ``engine`` as in Facts. ``names`` to reach:
    ``HOST:PORT``, a line each. ``programs`` that were given a card: container, ``yes`` if its model stays on it,
    command or ``-``, pattern, between tabs, a line each. ``others``: what it needs of other hosts, ``HOST/SERVICE
    ADDRESS PORT``, a line each.
    """

    @override
    def command(
        self,
        engine: str,
        root: str,
        models: str,
        operators: str,
        urls: str,
        kept: str,
        secrets: str,
        quota: str,
        names: str,
        programs: str,
        others: str,
    ) -> str:
        lists = {"models": models, "operators": operators, "urls": urls, "kept": kept, "secrets": secrets}
        more = {"quota": quota, "names": names, "programs": programs, "others": others}
        return probe([*host.SECTIONS, *OWN], engine=engine, root=root, **lists, **more)

    @override
    def process(self, output: list[str]) -> tuple[HostFacts, Health]:
        return host.Facts().process(output), Health(**parse(OWN, output))
