"""GPUs of every vendor in the catalog."""

from __future__ import annotations

from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..catalog import vendors
from ..schema import Gpus as Found
from .section import Section, SectionFact, probe

SECTION: Section[Found] = Section("gpus", vendors.SCRIPT, vendors.parse)


class Gpus(SectionFact[Found]):
    """Returns the cards and what is wrong: ``{"cards": [{"vendor": "nvidia", "uuid": "GPU-...", ...}], ...}``."""

    section = SECTION


class Recording(FactBase[list[str]]):
    """Returns what the GPU probe printed, line by line: with what is true of the host, a test and a bug report."""

    @override
    def command(self) -> str:
        return probe([SECTION])

    @override
    def process(self, output: list[str]) -> list[str]:
        return output
