"""Placement: which cards, or the CPU, each service runs on, and the ledgers that this makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..schema import Accelerator, Gpu, HostFacts, Ledger, Line, Turns
from .assign import Ask, assign
from .cards import Slot, choices, is_named, of_role, pinned, slots
from .need import Need, need
from .wanted import Wanted, WantedService

Cards = tuple[int, ...]
Without = tuple[str, str]  # why a service has no card, and what mends it


@dataclass(frozen=True)
class Place:
    """Where one service runs, and why."""

    accelerator: Accelerator
    cards: tuple[Gpu, ...]
    reason: str


@dataclass(frozen=True)
class Placed:
    """All places; ``ledgers`` of the cards, then the host's memory; ``unplaced``: by service why, and what mends it.

    ``slots``: all of the host, whatever the role uses.
    """

    places: Mapping[str, Place]
    ledgers: tuple[Ledger, ...]
    unplaced: Mapping[str, Without]
    slots: Sequence[Slot]


def place(wanted: Wanted, facts: HostFacts) -> Placed:
    """The places of all services on this host."""
    there = slots(facts)
    have = of_role(wanted, there)
    needs = {s.name: need(s, s.cards) for s in wanted.services}
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
        cards, may = given.get(service.name, ()), built.get(service.name, {})
        if have and not cards and (told := _without(service, wanted, [have[i] for i in may], there)):
            unplaced[service.name] = told
        if cards:
            places[service.name] = _place(service, wanted, [have[i] for i in cards], may[cards[0]])
        else:
            places[service.name] = Place("cpu", (), _off_cards(service, wanted, have, unplaced.get(service.name)))
    return Placed(places, _ledgers(wanted, facts, have, needs, given), unplaced, there)


def _place(service: WantedService, wanted: Wanted, mine: Sequence[Slot], built: Accelerator) -> Place:
    names = " and ".join(s.name for s in mine)
    if service.name in wanted.settings.cards:
        why = f"cards/{service.name} says so"
    elif pinned(service, wanted):
        why = "the stack says so"
    else:
        why = f"chosen by memory: {names}"
    return Place(built, tuple(s.card for s in mine), why)


def _off_cards(service: WantedService, wanted: Wanted, have: Sequence[Slot], unplaced: Without | None) -> str:
    """Why a service is on the CPU."""
    if service.service.gpu == "none":
        return "needs no GPU"
    if wanted.role == "cpu":
        return "the role is cpu"
    if have:
        return unplaced[0] if unplaced else "no usable card has an image"
    pin = pinned(service, wanted)
    return "the host has no usable card" + (f", so no card {pin}" if pin is not None else "")


def _without(service: WantedService, wanted: Wanted, may: Sequence[Slot], there: Sequence[Slot]) -> Without | None:
    """Why a service that should have cards has none, and what mends it; None: it can do without.

    ``may``: cards of the role that it has an image for; ``there``: those of the host.
    """
    pin, named = pinned(service, wanted), f"set cards = {{'{service.name}': ONE OF THEM}}"
    lower = f"lower options/{service.name}/tensor_parallel"
    if pin is None:
        alone = ", and single_gpu uses one" if wanted.role == "single_gpu" else ""
        return (f"it wants {service.cards} equal cards{alone}", lower) if service.cards > 1 and may else None
    if not any(is_named(s, pin) for s in there):
        return f"there is no usable card {pin}", named
    if any(is_named(s, pin) for s in may):
        return f"it wants {service.cards} equal cards, and card {pin} is one", lower
    return f"it has no image for card {pin}", named


def _ledgers(
    wanted: Wanted, facts: HostFacts, have: Sequence[Slot], needs: Mapping[str, Need], given: Mapping[str, Cards]
) -> tuple[Ledger, ...]:
    settings = wanted.settings
    books = [_ledger(s.id, s.name, s.mib, settings.reserve_vram_mib, _on(needs, given, i)) for i, s in enumerate(have)]
    shared = {i for i, s in enumerate(have) if s.shared}
    mine = [
        needs[s.name] if s.name in given else need(s, 1)  # on the CPU nothing is dealt out to several
        for s in wanted.services
        if s.name not in given or shared & {*given[s.name]}
    ]
    programs = [Line(service=s.name, what="program", mib=s.service.memory_mib) for s in wanted.services]
    memory = facts.system.memory_mib
    ram = _ledger("ram", "host memory", memory, settings.reserve_ram_mib, mine, programs)
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
