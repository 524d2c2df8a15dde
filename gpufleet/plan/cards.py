"""Cards that services can be given: those that work, and of a partitioned one its instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

from ..schema import Accelerator, Gpu, HostFacts, Link, MigDevice
from .access import ACCELERATORS, accelerator
from .wanted import Wanted, WantedService

GROUPS = 256  # groups of equal cards that are looked at for one service


@dataclass(frozen=True)
class Slot:
    """A card, or an instance of one, with the memory to plan with, MiB; ``shared``: it is the host's own.

    ``number``: its place among all of the host.
    """

    card: Gpu
    mib: int
    shared: bool = False
    number: int = 0

    @property
    def id(self) -> str:
        return self.card.identity or ""

    @property
    def name(self) -> str:
        return self.card.name or self.card.pci_id or self.card.vendor


def slots(facts: HostFacts) -> list[Slot]:
    """By PCI address. Cards with memory of their own; where there are none, those that share the host's."""
    found = [s for card in facts.gpus.cards for s in _slots(card, facts)]
    return [replace(s, number=i) for i, s in enumerate([s for s in found if not s.shared] or found)]


def _slots(card: Gpu, facts: HostFacts) -> Iterable[Slot]:
    if not card.usable or card.vendor not in ACCELERATORS or (card.vendor == "amd" and not card.render_node):
        return
    if card.counts in ("uma", "yes") and card.memory_kind == "unified" and card.identity:
        # What the driver lets it have of the host's memory; where it does not say (GB10), all of it.
        told = (card.vram_total_mib or 0) + (card.gtt_total_mib or 0) or facts.system.memory_mib
        yield Slot(card, min(told, facts.system.memory_mib), shared=True)
    if card.counts != "yes" or card.memory_kind == "unified":
        return
    parts = [card] if card.mig_mode != "Enabled" else [_instance(card, m) for m in card.mig_devices or ()]
    for part in parts:
        if part.identity and part.vram_total_mib and part.vram_source == "driver":
            yield Slot(part, part.vram_total_mib)


def _instance(card: Gpu, mig: MigDevice) -> Gpu:
    name = f"{card.name} {mig.profile or 'instance'}"
    return card.model_copy(
        update={"uuid": mig.uuid, "pci_address": None, "name": name, "vram_total_mib": mig.vram_total_mib}
    )


def of_role(wanted: Wanted, have: Sequence[Slot]) -> list[Slot]:
    """What the role may use: ``single_gpu`` one card, or those that the user has named."""
    if wanted.role == "cpu" or not have:
        return []
    if wanted.role != "single_gpu":
        return list(have)
    if named := [s for s in have if any(is_named(s, text) for text in wanted.settings.cards.values())]:
        return named
    fitting = [s for s in have if any(accelerator(s.card, w.service) for w in wanted.services)] or have
    best = max(fitting, key=lambda s: s.mib)
    return [s for s in have if s is best or (best.card.mig_mode == "Enabled" and _same(s, best))]


def _same(a: Slot, b: Slot) -> bool:
    """Whether two instances are of one card."""
    return a.card.minor is not None and a.card.minor == b.card.minor


def is_named(slot: Slot, text: str) -> bool:
    """Whether that is its UUID, its PCI address as lspci, the kernel or nvidia-smi writes it, or its number."""
    pci = slot.card.pci_address
    places = (pci.removeprefix("0000:"), pci, f"0000{pci}") if pci else ()
    return text.lower() in (slot.id.lower(), *places, str(slot.number))


def choices(
    service: WantedService, wanted: Wanted, have: Sequence[Slot], links: Sequence[Link]
) -> tuple[dict[int, Accelerator], tuple[tuple[int, ...], ...]]:
    """The accelerator by card, and groups of as many equal cards as the service wants, the best linked first."""
    built = {i: a for i, s in enumerate(have) if (a := accelerator(s.card, service.service))}
    pin = pinned(service, wanted)
    may = [i for i in built if pin is None or is_named(have[i], pin)]
    if service.cards == 1:
        return built, tuple((i,) for i in may)
    near = {frozenset(link.cards): link.kind for link in links}
    groups = islice(combinations(built if pin is None else may, service.cards), GROUPS)
    equal = (g for g in groups if len({_kind(have[i]) for i in g}) == 1)
    return built, tuple(sorted(equal, key=lambda g: _distance([have[i] for i in g], near)))


def pinned(service: WantedService, wanted: Wanted) -> str | None:
    """The card that the user, or the stack, wants it on; a host of one card has no other."""
    if text := wanted.settings.cards.get(service.name):
        return text
    return str(service.entry.card) if service.entry.card is not None and wanted.role == "dual_gpu" else None


def _kind(slot: Slot) -> tuple[object, ...]:
    return slot.card.pci_id, slot.mib, slot.card.gfx_target, slot.card.mig_mode == "Enabled"


def _distance(group: Sequence[Slot], near: Mapping[frozenset[str], str]) -> int:
    """Pairs that are not linked directly."""
    pairs = combinations((s.card.pci_address or "" for s in group), 2)
    return sum(near.get(frozenset(pair)) not in ("nvlink", "xgmi") for pair in pairs)
