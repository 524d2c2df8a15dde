"""One file a vendor: a piece of the probe and its parser. Adding a file here is all a vendor takes."""

from __future__ import annotations

from ...schema import Gpu
from . import nvidia, pci

SCRIPT = pci.SCRIPT + nvidia.SCRIPT


def parse(lines: list[str]) -> tuple[Gpu, ...]:
    """The cards in the probe's lines, in order of their PCI address."""
    return tuple(sorted(nvidia.parse(lines), key=lambda g: g.pci_address))
