"""Ledgers: what each service asks of a card's VRAM or of the host's RAM, in MiB."""

from __future__ import annotations

from collections.abc import Sequence

from ..schema import Ledger, Line

MIB = 1 << 20


def mib(size: int) -> int:
    """Bytes in MiB, rounded up.

    >>> mib(1), mib(1048576)
    (1, 1)
    """
    return -(-size // MIB)


def what(lines: Sequence[Line]) -> str:
    """Some lines in one: who, and which weights."""
    weights = [line.what.removeprefix("weights ") for line in lines if line.what.startswith("weights ")]
    return f"{lines[0].service}: {' + '.join(weights) or lines[0].what}" if lines else "nothing"


def text(ledger: Ledger) -> list[str]:
    """The ledger for people, a line each."""
    rows = [(f"{line.service}: {line.what}", line.mib) for line in ledger.lines]
    for turns in ledger.turns:
        rows.append((f"one at a time, {turns.name}:", turns.mib))
        rows += [(f"  {what(lines)}", sum(line.mib for line in lines)) for lines in turns.each]
    rows.append(("reserve", ledger.reserve_mib))
    rows.append(("free" if ledger.free_mib >= 0 else "OVER", ledger.free_mib))
    head = f"{ledger.name} ({ledger.device}), {ledger.capacity_mib} MiB"
    return [head, *(f"  {what:<60} {amount:>8} MiB" for what, amount in rows)]
