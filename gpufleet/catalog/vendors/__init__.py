"""One module a vendor: a piece of the probe and its parser. Adding one to VENDORS is all that a vendor takes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from ...schema.gpu import Gpu, Gpus
from . import amd, intel, nvidia, pci, tools

VENDORS = (nvidia, amd, intel)
SCRIPT = tools.SCRIPT + pci.SCRIPT + "".join(f"(\n{v.SCRIPT}\n)\n" for v in VENDORS)


def parse(lines: list[str]) -> Gpus:
    """The cards in the probe's lines, in order of their PCI address, and what is wrong."""
    lines = tools.Lines(line.rstrip("\r\n") for line in lines)
    seen = [vendor.parse(lines) for vendor in VENDORS]
    return Gpus(
        cards=tuple(sorted((_sized(c) for s in seen for c in s.cards), key=_order)),
        links=tuple(link for s in seen for link in s.links),
        problems=tuple(p for s in seen for p in s.problems),
        driver_version=next((s.driver_version for s in seen if s.driver_version), None),
        cuda_version=next((s.cuda_version for s in seen if s.cuda_version), None),
        rocm_version=next((s.rocm_version for s in seen if s.rocm_version), None),
    )


def _order(card: Gpu) -> tuple[bool, str, int]:
    return card.pci_address is None, card.pci_address or "", card.index or 0


def _sized(card: Gpu) -> Gpu:
    """With the product's size by its PCI id, where no driver says the real one and one id is one size."""
    if card.vram_total_mib is not None or card.kernel_driver in ("nvidia", "amdgpu") or card.pci_id is None:
        return card
    size = _sizes().get(card.pci_id)
    return card.model_copy(update={"vram_total_mib": size, "vram_source": "table"}) if size else card


@cache
def _sizes() -> dict[str, int]:
    """MiB by PCI id."""
    told: dict[int, str] = yaml.safe_load((Path(__file__).parent / "cards.yaml").read_text(encoding="utf-8"))
    return {id_: gib * 1024 for gib, ids in told.items() for id_ in ids.split()}
