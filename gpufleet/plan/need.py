"""Need: what a service asks of the memory that it runs in, MiB, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..schema import Line, Model
from .kv import CUDA_CONTEXT_MIB, llama_compute, llama_kv, llama_tokens, vllm_kv, vllm_tokens
from .ledger import mib
from .wanted import WantedService
from .weights import Weights

Lines = tuple[Line, ...]


@dataclass(frozen=True)
class Need:
    """On each card: ``lines`` it holds as long as it runs; of ``turns`` one at a time, shared by all of a ``group``."""

    lines: Lines = ()
    turns: tuple[Lines, ...] = ()
    group: str = ""

    @property
    def mib(self) -> int:
        return total(self.lines)

    @property
    def turn_mib(self) -> int:
        return max((total(lines) for lines in self.turns), default=0)


def total(lines: Lines) -> int:
    return sum(line.mib for line in lines)


@lru_cache(maxsize=4096)  # the same for all hosts of a group
def need(service: WantedService, cards: int) -> Need:
    """What it asks on each of ``cards``, or of the host's memory as if that were one.

    Of an engine that loads models by itself, residents make room for what is asked for.
    """
    held = tuple(line for w in service.residents for line in _lines(service, w, cards))
    asked = tuple(_lines(service, w, cards) for w in service.on_demand)
    if not service.weights:
        overhead = service.service.overhead_mib
        held = (Line(service=service.name, what="program", mib=overhead),) if overhead else ()
    group = service.entry.exclusive
    if asked and not group:
        return Need((), (held, *asked), service.name)
    return Need(held, asked, group or service.name)


def _lines(service: WantedService, weights: Weights, cards: int) -> Lines:
    """Weights, KV cache and what computing takes of one model, on each of its cards."""
    model, name = weights.model, service.name
    held = -(-mib(model.bytes) // cards)
    return (
        Line(service=name, what=f"weights {model.label}{_part(cards)}", mib=held),
        *_kv_cache(service, model, cards),
        Line(service=name, what="compute buffers and context", mib=_compute_mib(service, model)),
    )


def _part(cards: int) -> str:
    return f", 1/{cards}" if cards > 1 else ""


def _tokens(service: WantedService) -> tuple[int, int]:
    """Tokens that it keeps, of all requests together, and its slots; no tokens: the program has no context."""
    context, slots = int(service.options.get("context", 0)), int(service.options.get("parallel", 1))
    return context * slots if service.service.slots == "each" else context, slots


def _kv_cache(service: WantedService, model: Model, cards: int) -> Lines:
    """None where a program has no context."""
    tokens, slots = _tokens(service)
    if not tokens:
        return ()
    guess, counted = "", tokens
    if model.architecture is None:
        guess = " (estimate: the model's architecture is not declared)"
        size = model.bytes // 4 // cards
    elif service.service.slots == "pool":
        counted, size = vllm_tokens(tokens), vllm_kv(model.architecture, tokens, cards=cards)
    else:
        # Layers, not heads, are dealt out to cards.
        counted, size = llama_tokens(tokens, slots), llama_kv(model.architecture, tokens, slots=slots) // cards
    padded = f", padded to {counted}" if counted > tokens else ""
    return (Line(service=service.name, what=f"KV cache {tokens} tokens{padded}{_part(cards)}{guess}", mib=mib(size)),)


def _compute_mib(service: WantedService, model: Model) -> int:
    """By the rule where one is known for program and model; else what the catalog says of the program."""
    tokens, slots = _tokens(service)
    if service.service.slots == "pool" or not tokens or model.architecture is None:
        return service.service.overhead_mib
    computed = llama_compute(model.architecture, tokens, slots=slots, outputs=slots)
    return service.service.overhead_mib if computed is None else CUDA_CONTEXT_MIB + mib(computed)


def evicted(service: WantedService, asked: Weights, room_mib: int) -> tuple[str, ...]:
    """The residents that an engine unloads for ``asked``: in their order, those that do not fit beside it."""
    left, gone = room_mib - total(_lines(service, asked, service.cards)), []
    for w in service.residents:
        cost = total(_lines(service, w, service.cards))
        if cost <= left:
            left -= cost
        else:
            gone.append(w.name)
    return tuple(gone)
