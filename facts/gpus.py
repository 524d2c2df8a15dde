"""GPUs of every vendor in the catalog."""

from __future__ import annotations

from ..catalog import vendors
from ..schema import Gpu
from .section import Section, SectionFact

SECTION: Section[tuple[Gpu, ...]] = Section("gpus", vendors.SCRIPT, vendors.parse)


class Gpus(SectionFact[tuple[Gpu, ...]]):
    """Returns the cards: ``[{"vendor": "nvidia", "uuid": "GPU-...", "vram_total_mib": 24564, ...}]``."""

    section = SECTION
