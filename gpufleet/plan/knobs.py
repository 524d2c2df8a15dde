"""Knobs: the ledger in the words of programs, for ``{{ memory... }}`` in the catalog."""

from __future__ import annotations

from dataclasses import dataclass

from ..schema import Ledger
from .place import Placed
from .wanted import Wanted, WantedService


@dataclass(frozen=True)
class Memory:
    """Of the card that leaves it least, MiB: ``own`` is what the service asks, ``free`` nobody's, ``others`` the rest.

    ``share``: of the whole card what it may take, in hundredths, for programs that take it at their start.
    ``residents``: models that stay loaded; ``cards``: how many it has.
    """

    cards: int = 0
    capacity: int = 0
    own: int = 0
    free: int = 0
    others: int = 0
    share: int = 0
    residents: int = 0


def memory(service: WantedService, wanted: Wanted, placed: Placed) -> dict[str, int]:
    """On the CPU all is 0, but what it holds."""
    at = placed.places[service.name]
    if not at.cards:
        return {**vars(Memory()), "residents": len(service.residents)}
    mine = {card.identity for card in at.cards}
    found = [_on(service, book, _greedy(wanted, placed, book)) for book in placed.ledgers if book.device in mine]
    worst = min(found, key=lambda m: m.free + m.own)
    return {**vars(worst), "cards": len(at.cards), "residents": len(service.residents)}


def _greedy(wanted: Wanted, placed: Placed, book: Ledger) -> int:
    """Services on a card that take all they may have: they share what is nobody's."""
    on = (s for s in wanted.services if any(c.identity == book.device for c in placed.places[s.name].cards))
    return sum(s.service.takes_all for s in on)


def _on(service: WantedService, book: Ledger, greedy: int) -> Memory:
    own = sum(line.mib for line in book.lines if line.service == service.name)
    own += max((t.mib for t in book.turns if any(x.service == service.name for e in t.each for x in e)), default=0)
    free = max(0, book.free_mib)
    return Memory(
        capacity=book.capacity_mib,
        own=own,
        free=free,
        others=max(0, book.capacity_mib - own - free),
        share=100 * (own + free // max(1, greedy)) // max(1, book.capacity_mib),
    )
