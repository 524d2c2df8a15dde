"""Tiers: the largest that fits, and what speaks against the next."""

from __future__ import annotations

from dataclasses import replace

from ..schema import Finding, HostFacts, Ledger
from .finding import inform
from .known import AUTO
from .ledger import asked
from .place import Placed, place
from .wanted import Wanted

LATER = "it is planned after the reboot"


def fitting(wanted: Wanted, facts: HostFacts) -> tuple[Wanted, Placed, tuple[Finding, ...]]:
    """The first of what is wanted that fits, and why not the one before.

    Where nothing does, the last, the smallest, and no more: what speaks against it says it all.
    """
    placed, larger = place(wanted, facts), tuple[Finding, ...]()
    for smaller in wanted.smaller:
        over = _over(placed)
        if not over:
            break
        fix = f"set tier = '{wanted.tier}' to see its ledger"
        larger = (inform("PLAN-TIER", f"tier/{wanted.tier}", f"is not taken: {asked(over[0])}", fix),)
        wanted, placed = smaller, place(smaller, facts)
    return wanted, placed, () if _over(placed) else larger


def _over(placed: Placed) -> list[Ledger]:
    return [book for book in placed.ledgers if book.over_mib]


def unknown(wanted: Wanted) -> Wanted:
    """What is wanted on cards that are not known yet: of tiers the least, under no name."""
    if wanted.settings.tier != AUTO:
        return wanted
    tiers = (wanted, *wanted.smaller)
    out = {name: why if all(name in w.left_out for w in tiers) else LATER for name, why in tiers[-1].left_out.items()}
    return replace(tiers[-1], tier=None, left_out=out)
