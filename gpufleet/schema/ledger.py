"""Ledger: what is asked of one memory, line by line."""

from __future__ import annotations

from .base import Noun


class Line(Noun):
    """One line of a ledger, MiB."""

    service: str
    what: str
    mib: int


class Turns(Noun):
    """What takes turns in one memory, so that only the largest counts: models that an engine loads and unloads."""

    name: str
    each: tuple[tuple[Line, ...], ...]

    @property
    def mib(self) -> int:
        return max((sum(line.mib for line in lines) for lines in self.each), default=0)


class Ledger(Noun):
    """What is asked of one memory: a card's VRAM, or the host's RAM (device ``ram``). MiB."""

    device: str
    name: str
    capacity_mib: int
    reserve_mib: int
    lines: tuple[Line, ...] = ()
    turns: tuple[Turns, ...] = ()

    @property
    def used_mib(self) -> int:
        return sum(line.mib for line in self.lines) + sum(turns.mib for turns in self.turns)

    @property
    def free_mib(self) -> int:
        """What is left beside the reserve; negative: over-committed."""
        return self.capacity_mib - self.reserve_mib - self.used_mib

    @property
    def over_mib(self) -> int:
        """What is asked beyond that; none of a memory that nobody asks for."""
        return max(0, -self.free_mib) if self.lines or self.turns else 0
