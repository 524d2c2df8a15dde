"""Accounts of the host that shall use the engine, and their groups."""

from __future__ import annotations

from .section import Section

SCRIPT = r"""
for user in $operators; do groups=$(id -nG "$user") && echo "$user $groups"; done
"""


def parse(lines: list[str]) -> dict[str, tuple[str, ...]]:
    """Groups by account, for those that exist."""
    rows = [line.split() for line in lines if line.strip()]
    return {row[0]: tuple(row[1:]) for row in rows}


SECTION = Section("accounts", SCRIPT, parse)
