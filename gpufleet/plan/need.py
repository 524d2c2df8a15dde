"""Need: what a service asks of the memory that it runs in, MiB, line by line."""

from __future__ import annotations

from dataclasses import dataclass

from ..schema import Line, Model
from .ledger import kv_cache_mib, mib
from .wanted import WantedService, Weights

Lines = tuple[Line, ...]


@dataclass(frozen=True)
class Need:
    """``lines`` it holds as long as it runs; of ``turns`` one at a time, shared with all of the same ``group``.

    All of it on each of ``cards`` cards.
    """

    lines: Lines = ()
    turns: tuple[Lines, ...] = ()
    group: str = ""
    cards: int = 1

    @property
    def mib(self) -> int:
        return total(self.lines)

    @property
    def turn_mib(self) -> int:
        return max((total(lines) for lines in self.turns), default=0)


def total(lines: Lines) -> int:
    return sum(line.mib for line in lines)


def need(service: WantedService) -> Need:
    """What it asks on a card; of an engine that loads models by itself, residents make room for what is asked for."""
    cards = int(service.options.get("tensor_parallel", 1))
    held = tuple(line for w in service.residents for line in _lines(service, w, cards))
    asked = tuple(_lines(service, w, cards) for w in service.on_demand)
    if not service.weights:
        overhead = service.service.overhead_mib
        held = (Line(service=service.name, what="program", mib=overhead),) if overhead else ()
    group = service.entry.exclusive
    if asked and not group:
        return Need((), (held, *asked), service.name, cards)
    return Need(held, asked, group or service.name, cards)


def _lines(service: WantedService, weights: Weights, cards: int) -> Lines:
    """Weights, KV cache and overhead of one model, split over ``cards``: each card has all of the overhead."""
    model, name = weights.model, service.name
    split = f", 1/{cards}" if cards > 1 else ""
    return (
        Line(service=name, what=f"weights {model.file}{split}", mib=-(-mib(model.bytes) // cards)),
        *_kv_cache(service, model, cards),
        Line(service=name, what="compute buffers and context", mib=service.service.overhead_mib),
    )


def _kv_cache(service: WantedService, model: Model, cards: int) -> Lines:
    """None where a program has no context. A card that has no head of its own repeats another's."""
    tokens = int(service.options.get("context", 0))
    if service.service.slots == "each":
        tokens *= int(service.options.get("parallel", 1))
    if not tokens:
        return ()
    parts = min(cards, model.architecture.kv_heads) if model.architecture else cards
    guess = "" if model.architecture else " (estimate: the model's architecture is not declared)"
    split = f", 1/{parts}" if parts > 1 else ""
    what = f"KV cache {tokens} tokens{split}{guess}"
    return (Line(service=service.name, what=what, mib=-(-kv_cache_mib(model, tokens) // parts)),)


def evicted(service: WantedService, asked: Weights, room_mib: int) -> tuple[str, ...]:
    """The residents that an engine unloads for ``asked``: in their order, those that do not fit beside it."""
    cards = int(service.options.get("tensor_parallel", 1))
    left, gone = room_mib - total(_lines(service, asked, cards)), []
    for w in service.residents:
        cost = total(_lines(service, w, cards))
        if cost <= left:
            left -= cost
        else:
            gone.append(w.name)
    return tuple(gone)
