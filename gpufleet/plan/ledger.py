"""Ledgers: what each service asks of a card's VRAM or of the host's RAM, in MiB."""

from __future__ import annotations

from ..schema import Ledger, Line, Model
from .wanted import WantedService

MIB = 1 << 20
# llama.cpp and vLLM keep K and V as 16-bit floats unless told otherwise.
KV_BYTES = 2


def mib(size: int) -> int:
    """Bytes in MiB, rounded up.

    >>> mib(1), mib(1048576)
    (1, 1)
    """
    return -(-size // MIB)


def kv_cache_mib(model: Model, tokens: int) -> int:
    """MiB of KV cache for ``tokens`` in all slots together: K and V, per layer, KV head and head dimension.

    A model of unknown architecture is charged a quarter of its weights: an estimate, and marked as one.
    """
    a = model.architecture
    if a is None:
        return mib(model.bytes) // 4
    return mib(2 * a.layers * a.kv_heads * a.head_dim * KV_BYTES * tokens)


def lines(wanted: WantedService) -> tuple[Line, ...]:
    """What the service asks of the memory its model sits in."""
    if wanted.model is None:
        return ()
    tokens = int(wanted.options.get("context", 0))
    guess = "" if wanted.model.architecture else " (estimate: the model's architecture is not declared)"
    return (
        Line(service=wanted.name, what=f"weights {wanted.model.file}", mib=mib(wanted.model.bytes)),
        Line(
            service=wanted.name,
            what=f"KV cache {tokens} tokens{guess}",
            mib=kv_cache_mib(wanted.model, tokens),
        ),
        Line(service=wanted.name, what="compute buffers and context", mib=wanted.service.overhead_mib),
    )


def charge(ledger: Ledger, more: tuple[Line, ...]) -> Ledger:
    """The ledger with ``more`` lines."""
    return ledger.model_copy(update={"lines": (*ledger.lines, *more)})


def text(ledger: Ledger) -> list[str]:
    """The ledger for people, a line each."""
    rows = [
        *((f"{line.service}: {line.what}", line.mib) for line in ledger.lines),
        ("reserve", ledger.reserve_mib),
    ]
    rows.append(("free" if ledger.free_mib >= 0 else "OVER", ledger.free_mib))
    head = f"{ledger.name} ({ledger.device}), {ledger.capacity_mib} MiB"
    return [head, *(f"  {what:<60} {amount:>8} MiB" for what, amount in rows)]
