"""Findings of a plan, by what they do: block, warn, inform."""

from __future__ import annotations

from ..schema import Finding


def block(id_: str, where: str, what: str, fix: str) -> Finding:
    """Stops this host."""
    return Finding(id=id_, severity="blocks", where=where, what=what, fix=fix)


def warn(id_: str, where: str, what: str, fix: str) -> Finding:
    """Is wrong, and stops nothing."""
    return Finding(id=id_, severity="warns", where=where, what=what, fix=fix)


def inform(id_: str, where: str, what: str, fix: str) -> Finding:
    """Is to be known."""
    return Finding(id=id_, severity="informs", where=where, what=what, fix=fix)
