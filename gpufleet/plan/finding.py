"""Findings of a plan, by what they do: block, warn, inform."""

from __future__ import annotations

from collections.abc import Sequence

from ..schema import Finding


def either(ways: Sequence[str]) -> str:
    """Ways out of which one will do.

    >>> either(["stop it", "use it"]), either(["stop it"])
    ('stop it, or use it', 'stop it')
    """
    *most, last = ways
    return f"{', '.join(most)}, or {last}" if most else last


def block(id_: str, where: str, what: str, fix: str) -> Finding:
    """Stops this host."""
    return Finding(id=id_, severity="blocks", where=where, what=what, fix=fix)


def warn(id_: str, where: str, what: str, fix: str) -> Finding:
    """Is wrong, and stops nothing."""
    return Finding(id=id_, severity="warns", where=where, what=what, fix=fix)


def inform(id_: str, where: str, what: str, fix: str) -> Finding:
    """Is to be known."""
    return Finding(id=id_, severity="informs", where=where, what=what, fix=fix)
