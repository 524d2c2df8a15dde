"""Assignment: which cards each service gets. Numbers in, numbers out.

Rule: those with one choice first, then in stack order; each takes the cards with the most memory left, the first of
equal ones. Where that leaves somebody without room, the last choice that can be another is another: if there is a way
that fits it is found, and services stay where they are as long as that leaves room for the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STEPS = 20_000  # tries, before it is taken that nothing fits: some 20 ms


@dataclass(frozen=True)
class Ask:
    """``mib`` held on each card, ``turn`` more of which only the largest of a ``group`` counts on a card.

    ``choices``: groups of cards, each a tuple of their numbers.
    """

    mib: int
    turn: int
    group: str
    choices: tuple[tuple[int, ...], ...]


class Cards:
    """What is left on each card, MiB."""

    def __init__(self, room: Sequence[int]) -> None:
        self.free = list(room)
        self.turns: dict[tuple[int, str], int] = {}

    def take(self, ask: Ask, cards: tuple[int, ...]) -> list[tuple[int, int]]:
        """Give ``cards`` to ``ask``; what it cost of each, and the group's turn before."""
        undo = []
        for card in cards:
            before = self.turns.get((card, ask.group), 0)
            cost = ask.mib + max(0, ask.turn - before)
            self.free[card] -= cost
            self.turns[card, ask.group] = max(before, ask.turn)
            undo.append((cost, before))
        return undo

    def put_back(self, ask: Ask, cards: tuple[int, ...], undo: list[tuple[int, int]]) -> None:
        for card, (cost, before) in zip(cards, undo, strict=True):
            self.free[card] += cost
            self.turns[card, ask.group] = before

    def best_first(self, choices: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
        return sorted(choices, key=lambda cards: -min(self.free[c] for c in cards))  # stable: the first of equal ones


def assign(asks: Sequence[Ask], room: Sequence[int]) -> list[tuple[int, ...]]:
    """The cards of each ask, which has at least one choice. Where nothing fits: each where the most is left."""
    order = sorted(range(len(asks)), key=lambda i: len(asks[i].choices) > 1)
    cards, steps = Cards(room), iter(range(STEPS))
    found = _search([asks[i] for i in order], cards, steps) or _greedy([asks[i] for i in order], Cards(room))
    return [cards for _, cards in sorted(zip(order, found, strict=True))]


def _search(asks: list[Ask], cards: Cards, steps: Iterator[int]) -> list[tuple[int, ...]] | None:
    if not asks:
        return []
    ask, *rest = asks
    for choice in cards.best_first(ask.choices):
        if next(steps, None) is None:
            return None
        undo = cards.take(ask, choice)
        fits = all(cards.free[c] >= 0 for c in choice)
        found = _search(rest, cards, steps) if fits else None
        if found is not None:
            return [choice, *found]
        cards.put_back(ask, choice, undo)
    return None


def _greedy(asks: list[Ask], cards: Cards) -> list[tuple[int, ...]]:
    found = []
    for ask in asks:
        choice = cards.best_first(ask.choices)[0]
        cards.take(ask, choice)
        found.append(choice)
    return found
