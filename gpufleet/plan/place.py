"""Placement: which card, or the CPU, each service runs on.

Rule: services in stack order; each goes to the usable card with the most memory left, ties by PCI address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..schema import Accelerator, Finding, Gpu, HostFacts, Ledger, Line, MigDevice
from . import ledger
from .access import ACCELERATORS, accelerator
from .versions import version
from .wanted import Wanted, WantedService


@dataclass(frozen=True)
class Place:
    """Where one service runs, and why."""

    accelerator: Accelerator
    cards: tuple[Gpu, ...]
    reason: str


def place(wanted: Wanted, facts: HostFacts) -> tuple[dict[str, Place], tuple[Ledger, ...], tuple[Finding, ...]]:
    """Places by service, the ledgers (cards, then RAM) and what speaks against it."""
    cards = {g.identity or "": g for g in _slots(facts)} if wanted.role != "cpu" else {}
    ledgers = {i: _card_ledger(g, wanted) for i, g in cards.items()}
    ram = Ledger(
        device="ram",
        name="host memory",
        capacity_mib=facts.system.memory_mib,
        reserve_mib=wanted.settings.reserve_ram_mib,
    )
    places: dict[str, Place] = {}
    for service in wanted.services:
        places[service.name], device = _choose(service, wanted, cards, ledgers)
        ram = ledger.charge(ram, (Line(service=service.name, what="program", mib=service.service.memory_mib),))
        if device:
            ledgers[device] = ledger.charge(ledgers[device], ledger.lines(service))
        else:
            ram = ledger.charge(ram, ledger.lines(service))
    every = (*ledgers.values(), ram)
    against = (*_over(every), *_no_card(wanted, facts, places), *_old_drivers(wanted, places))
    return places, every, against


def _slots(facts: HostFacts) -> Iterable[Gpu]:
    """What a service can be pinned to: cards that work, and of a partitioned one its instances."""
    for card in facts.gpus.cards:
        if not (card.usable and card.counts == "yes" and card.vendor in ACCELERATORS):
            continue
        if card.vendor == "amd" and not card.render_node:
            continue
        parts = [card] if card.mig_mode != "Enabled" else [_instance(card, m) for m in card.mig_devices or ()]
        yield from (p for p in parts if p.identity and p.vram_total_mib and p.vram_source == "driver")


def _instance(card: Gpu, mig: MigDevice) -> Gpu:
    name = f"{card.name} {mig.profile or 'instance'}"
    return card.model_copy(
        update={"uuid": mig.uuid, "pci_address": None, "name": name, "vram_total_mib": mig.vram_total_mib}
    )


def _card_ledger(gpu: Gpu, wanted: Wanted) -> Ledger:
    return Ledger(
        device=gpu.identity or "",
        name=gpu.name or gpu.pci_id or gpu.vendor,
        capacity_mib=gpu.vram_total_mib or 0,
        reserve_mib=wanted.settings.reserve_vram_mib,
    )


def _choose(
    service: WantedService, wanted: Wanted, cards: dict[str, Gpu], ledgers: dict[str, Ledger]
) -> tuple[Place, str | None]:
    if service.service.gpu == "none":
        return Place("cpu", (), "needs no GPU"), None
    fitting = {i: a for i, card in cards.items() if (a := accelerator(card, service.service))}
    if not fitting:
        why = "the role is cpu" if wanted.role == "cpu" else "no usable card has an image"
        return Place("cpu", (), why), None
    best = max(fitting, key=lambda i: ledgers[i].free_mib)
    reason = f"most free VRAM: {ledgers[best].free_mib} MiB on {ledgers[best].name}"
    return Place(fitting[best], (cards[best],), reason), best


def _over(ledgers: tuple[Ledger, ...]) -> Iterable[Finding]:
    for book in ledgers:
        if book.free_mib < 0 and book.lines:
            biggest = max(book.lines, key=lambda line: line.mib)
            room = f"{book.capacity_mib - book.reserve_mib} MiB on {book.name}"
            what = f"{biggest.service} does not fit: {book.used_mib} MiB asked of {room}"
            detail = " + ".join(f"{line.service} {line.what} {line.mib}" for line in book.lines)
            reserve = "reserve_ram_mib" if book.device == "ram" else "reserve_vram_mib"
            fix = f"choose a smaller model, a smaller options/context, or a smaller {reserve}"
            yield Finding(
                id="PLAN-FIT",
                severity="blocks",
                where=f"ledger/{book.device}",
                what=f"{what} ({detail})",
                fix=fix,
            )


def _no_card(wanted: Wanted, facts: HostFacts, places: dict[str, Place]) -> Iterable[Finding]:
    required = [s.name for s in wanted.services if s.service.gpu == "required" and not places[s.name].cards]
    if wanted.role == "cpu" and not required:
        return
    if not required and any(p.cards for p in places.values()):
        return
    if slots := list(_slots(facts)):
        what = "; ".join(f"{c.identity} {c.name} ({c.gfx_target or c.vendor})" for c in slots)
        fix = "add an image for it to the service, or put the host in the group cpu"
        what = f"no service has an image for {what}"
        yield Finding(id="GPU-NO-IMAGE", severity="blocks", where="gpus", what=what, fix=fix)
    else:
        what = f"no usable GPU for the role {wanted.role}: {_states(facts) or 'no GPU on this host'}"
        fix = "mend the driver, or put the host in the group cpu"
        yield Finding(id="GPU-NONE", severity="blocks", where="gpus", what=what, fix=fix)


# Within a major version any driver of it runs an image of it; the first driver of each.
FIRST_DRIVER = {11: 450, 12: 525, 13: 580}


def _old_drivers(wanted: Wanted, places: dict[str, Place]) -> Iterable[Finding]:
    """Images that are built with a newer CUDA than the card's driver knows."""
    for service in wanted.services if wanted.settings.driver != "ignore" else ():
        need = version(service.service.cuda or "")[:1]
        for card in places[service.name].cards:
            have = version(card.cuda_version or "")[:1]
            if card.vendor == "nvidia" and have and need > have:
                what = (
                    f"its image needs CUDA {service.service.cuda}, driver {card.driver_version} has {card.cuda_version}"
                )
                fix = f"install driver {FIRST_DRIVER.get(need[0], 'of that version')} or newer, or use an older image"
                yield Finding(
                    id="GPU-DRIVER-OLD", severity="blocks", where=f"services/{service.name}", what=what, fix=fix
                )


def _states(facts: HostFacts) -> str:
    """What is wrong with the host's cards, or what is known of them."""
    said = {p.card: f"{p.code} ({p.evidence})" for p in facts.gpus.problems}
    rows = [f"{c.identity or c.vendor} {c.name or c.pci_id}: {said.pop(c.identity, c.why)}" for c in facts.gpus.cards]
    told = "; ".join(rows)
    return "; ".join(
        [told, *(f"{p.code} ({p.evidence})" for p in facts.gpus.problems if p.evidence not in told)]
    ).strip("; ")
