"""Knobs: the ledger in the words of programs, for ``{{ memory... }}`` in the catalog."""

from __future__ import annotations

from pydantic import Field

from ..schema import Ledger, Noun
from .place import Placed
from .wanted import Wanted, WantedService


class Memory(Noun):
    """``{{ memory... }}``: what the ledger has for a service, of the card that leaves it least; 0 on the CPU."""

    cards: int = Field(0, description="cards that it has")
    capacity: int = Field(0, description="memory of the card, MiB")
    own: int = Field(0, description="what the service asks of it, MiB")
    free: int = Field(0, description="what nobody asks of it beside the reserve, MiB")
    reserve: int = Field(0, description="what no service may plan with, as `reserve_vram_mib` says, MiB")
    others: int = Field(0, description="what others and the reserve have, MiB")
    share: int = Field(
        0, description="of the whole card what it may take, in hundredths, for programs that take it at their start"
    )
    residents: int = Field(0, description="models that stay loaded; on the CPU too")


def memory(service: WantedService, wanted: Wanted, placed: Placed) -> dict[str, int]:
    """On the CPU all is 0, but what it holds."""
    at = placed.places[service.name]
    if not at.cards:
        return Memory(residents=len(service.residents)).model_dump()
    mine = {card.identity for card in at.cards}
    found = [_on(service, book, _greedy(wanted, placed, book)) for book in placed.ledgers if book.device in mine]
    worst = min(found, key=lambda m: m.free + m.own)
    return {**worst.model_dump(), "cards": len(at.cards), "residents": len(service.residents)}


def _greedy(wanted: Wanted, placed: Placed, book: Ledger) -> int:
    """Services on a card that take all they may have: they share what is nobody's."""
    greedy = (s.name for s in wanted.services if s.service.takes_all)
    return sum(any(c.identity == book.device for c in placed.places[name].cards) for name in greedy)


def _on(service: WantedService, book: Ledger, greedy: int) -> Memory:
    own = sum(line.mib for line in book.lines if line.service == service.name)
    own += max((t.mib for t in book.turns if any(x.service == service.name for e in t.each for x in e)), default=0)
    free = max(0, book.free_mib)
    return Memory(
        capacity=book.capacity_mib,
        own=own,
        free=free,
        reserve=book.reserve_mib,
        others=max(0, book.capacity_mib - own - free),
        share=100 * (own + free // max(1, greedy)) // max(1, book.capacity_mib),
    )
