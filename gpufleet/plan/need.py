"""Need: what a service asks of the memory that it runs in, MiB, line by line."""

from __future__ import annotations

from dataclasses import dataclass

from ..schema import Line, Model
from .kv import CUDA_CONTEXT_MIB, llama_compute, llama_kv, vllm_kv
from .ledger import mib
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
    """Weights, KV cache and what computing takes of one model, on each of ``cards`` cards."""
    model, name = weights.model, service.name
    split = f", 1/{cards}" if cards > 1 else ""
    return (
        Line(service=name, what=f"weights {model.file}{split}", mib=-(-mib(model.bytes) // cards)),
        *_kv_cache(service, model, cards),
        Line(service=name, what="compute buffers and context", mib=_compute_mib(service, model)),
    )


def _kv_cache(service: WantedService, model: Model, cards: int) -> Lines:
    """None where a program has no context."""
    context, slots = (int(service.options.get(name, default)) for name, default in (("context", 0), ("parallel", 1)))
    tokens = context * slots if service.service.slots == "each" else context
    if not context:
        return ()
    if model.architecture is None:
        guess = " (estimate: the model's architecture is not declared)"
        size = model.bytes // 4 // cards
    elif service.service.slots == "pool":
        guess, size = "", vllm_kv(model.architecture, tokens, cards=cards)
    else:
        # Layers, not heads, are dealt out to cards.
        guess, size = "", llama_kv(model.architecture, tokens, slots=slots) // cards
    split = f", 1/{cards}" if cards > 1 else ""
    return (Line(service=service.name, what=f"KV cache {tokens} tokens{split}{guess}", mib=mib(size)),)


def _compute_mib(service: WantedService, model: Model) -> int:
    """By the rule where one is known for program and model; else what the catalog says of the program."""
    context, slots = (int(service.options.get(name, default)) for name, default in (("context", 0), ("parallel", 1)))
    if service.service.slots == "pool" or not context or model.architecture is None:
        return service.service.overhead_mib
    tokens = context * slots if service.service.slots == "each" else context
    computed = llama_compute(model.architecture, tokens, slots=slots, outputs=slots)
    return service.service.overhead_mib if computed is None else CUDA_CONTEXT_MIB + mib(computed)


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
