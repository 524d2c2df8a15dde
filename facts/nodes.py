"""Device nodes of AMD's cards: a container gets them as they are, so it has to be in their groups."""

from __future__ import annotations

from .section import Section

SCRIPT = r"""
stat -L -c '%g %n' /dev/kfd /dev/dri/renderD*
"""


def parse(lines: list[str]) -> dict[str, int]:
    """Numeric groups by node."""
    rows = (line.split(" ", 1) for line in lines)
    return {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdecimal()}


SECTION = Section("node_groups", SCRIPT, parse)
