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


def rows(ledger: Ledger) -> list[tuple[str, str, int]]:
    """What is asked: by whom, in words, MiB; of turns the largest."""
    found = [(line.service, f"{line.service} {line.what}", line.mib) for line in ledger.lines]
    largest = ((max(t.each, key=lambda e: sum(x.mib for x in e)), t) for t in ledger.turns)
    return found + [(what(lines), f"turns of {t.name}", t.mib) for lines, t in largest]


def asked(ledger: Ledger) -> str:
    """One line for a memory of which more is asked than there is."""
    room = f"{max(0, ledger.capacity_mib - ledger.reserve_mib)} MiB on {ledger.name}"
    return f"{max(rows(ledger), key=lambda r: r[2])[0]} does not fit: {ledger.used_mib} MiB asked of {room}"


def text(ledger: Ledger) -> list[str]:
    """The ledger for people, a line each."""
    told = [(f"{line.service}: {line.what}", line.mib) for line in ledger.lines]
    for turns in ledger.turns:
        told.append((f"one at a time, {turns.name}:", turns.mib))
        told += [(f"  {what(lines)}", sum(line.mib for line in lines)) for lines in turns.each]
    told.append(("reserve", ledger.reserve_mib))
    told.append(("OVER" if ledger.over_mib else "free", ledger.free_mib))
    head = f"{ledger.name} ({ledger.device}), {ledger.capacity_mib} MiB"
    return [head, *(f"  {what:<60} {amount:>8} MiB" for what, amount in told)]
