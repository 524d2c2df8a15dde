"""GPUs of every vendor in the catalog."""

from __future__ import annotations

from ..catalog import vendors
from ..schema import Gpus as Found
from .section import Section, SectionFact

SECTION: Section[Found] = Section("gpus", vendors.SCRIPT, vendors.parse)


class Gpus(SectionFact[Found]):
    """Returns the cards and what is wrong: ``{"cards": [{"vendor": "nvidia", "uuid": "GPU-...", ...}], ...}``."""

    section = SECTION
