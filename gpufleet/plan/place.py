"""Placement: which cards, or the CPU, each service runs on, and the ledgers that this makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..schema import Accelerator, Gpu, HostFacts, Ledger, Line, Turns
from .assign import Ask, assign
from .cards import Slot, choices, of_role, pinned, slots
from .need import Need, need
from .wanted import Wanted, WantedService

Cards = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Where one service runs, and why."""

    accelerator: Accelerator
    cards: tuple[Gpu, ...]
    reason: str


@dataclass(frozen=True)
class Placed:
    """All places; ``ledgers`` of the cards, then the host's memory; ``unplaced``: why, by service.

    ``slots``: all of the host, whatever the role uses.
    """

    places: Mapping[str, Place]
    ledgers: tuple[Ledger, ...]
    unplaced: Mapping[str, str]
    slots: Sequence[Slot]


def place(wanted: Wanted, facts: HostFacts) -> Placed:
    """The places of all services on this host."""
    there = slots(facts)
    have = of_role(wanted, there)
    needs = {s.name: need(s) for s in wanted.services}
    built: dict[str, dict[int, Accelerator]] = {}
    asks: dict[str, Ask] = {}
    for service in wanted.services:
        if service.service.gpu != "none" and have:
            built[service.name], groups = choices(service, wanted, have, facts.gpus.links)
            n = needs[service.name]
            if groups:
                asks[service.name] = Ask(n.mib, n.turn_mib, n.group, groups)
    room = [s.mib - wanted.settings.reserve_vram_mib for s in have]
    given = dict(zip(asks, assign(list(asks.values()), room), strict=True))
    places, unplaced = {}, {}
    for service in wanted.services:
        cards = given.get(service.name, ())
        places[service.name] = _place(service, wanted, [have[i] for i in cards], built.get(service.name, {}), cards)
        if have and not cards and (why := _without(service, wanted, have, built.get(service.name, {}))):
            unplaced[service.name] = why
    return Placed(places, _ledgers(wanted, facts, have, needs, given), unplaced, there)


def _place(
    service: WantedService, wanted: Wanted, mine: Sequence[Slot], built: Mapping[int, Accelerator], cards: Sequence[int]
) -> Place:
    if not mine:
        why = "the role is cpu" if wanted.role == "cpu" else "no usable card has an image"
        return Place("cpu", (), "needs no GPU" if service.service.gpu == "none" else why)
    names = " and ".join(s.name for s in mine)
    if service.name in wanted.settings.cards:
        why = f"cards/{service.name} says so"
    elif pinned(service, wanted):
        why = "the stack says so"
    else:
        why = f"chosen by memory: {names}"
    return Place(built[cards[0]], tuple(s.card for s in mine), why)


def _without(service: WantedService, wanted: Wanted, have: Sequence[Slot], built: Mapping[int, Accelerator]) -> str:
    """Why a service that should have cards has none; empty: it can do without."""
    if (pin := pinned(service, wanted)) is not None:
        why = f"there is no card {pin} that it has an image for"
    elif service.cards > 1 and built:
        why = f"it wants {service.cards} equal cards"
    else:
        return ""
    return f"{why}; the role has {', '.join(f'{s.number}: {s.name} {s.id}' for s in have)}"


def _ledgers(
    wanted: Wanted, facts: HostFacts, have: Sequence[Slot], needs: Mapping[str, Need], given: Mapping[str, Cards]
) -> tuple[Ledger, ...]:
    settings = wanted.settings
    books = [_ledger(s.id, s.name, s.mib, settings.reserve_vram_mib, _on(needs, given, i)) for i, s in enumerate(have)]
    shared = {i for i, s in enumerate(have) if s.shared}
    mine = {n: need for n, need in needs.items() if not given.get(n) or shared & {*given[n]}}
    programs = [Line(service=s.name, what="program", mib=s.service.memory_mib) for s in wanted.services]
    memory = facts.system.memory_mib
    ram = _ledger("ram", "host memory", memory, settings.reserve_ram_mib, [*mine.values()], programs)
    return (*books, ram)


def _on(needs: Mapping[str, Need], given: Mapping[str, Cards], card: int) -> list[Need]:
    return [needs[name] for name, cards in given.items() if card in cards]


def _ledger(
    device: str, name: str, capacity: int, reserve: int, needs: Sequence[Need], programs: Sequence[Line] = ()
) -> Ledger:
    groups: dict[str, tuple[tuple[Line, ...], ...]] = {}
    for n in needs:
        if n.turns:
            groups[n.group] = (*groups.get(n.group, ()), *n.turns)
    return Ledger(
        device=device,
        name=name,
        capacity_mib=capacity,
        reserve_mib=reserve,
        lines=(*programs, *(line for n in needs for line in n.lines)),
        turns=tuple(Turns(name=group, each=each) for group, each in groups.items()),
    )
