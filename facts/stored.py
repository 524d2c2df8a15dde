"""What lies below data_root/data and data_root/models, and how large it is."""

from __future__ import annotations

import re

from pyinfra.api.facts import FactBase
from typing_extensions import override

from .section import Section, parse, probe

# KiB; a link counts as itself: what it points to is not ours to delete.
SCRIPT = r"""
cd "$root" && find data models -mindepth 1 -maxdepth 1 -exec du -skx {} +
"""
LINE = re.compile(r"(\d+)\t(.+)")


def sizes(lines: list[str]) -> dict[str, int]:
    """Bytes by path below data_root; ``KIB PATH`` lines, with a tab between."""
    return {m[2]: int(m[1]) * 1024 for line in lines if (m := LINE.fullmatch(line))}


SECTIONS = [Section("stored", SCRIPT, sizes)]


class Stored(FactBase[dict[str, int]]):
    """Returns bytes by path: ``{"data/redis": 4096}``."""

    @override
    def command(self, root: str = "/srv/gpufleet") -> str:
        return probe(SECTIONS, root=root)

    @override
    def process(self, output: list[str]) -> dict[str, int]:
        return dict(parse(SECTIONS, output)["stored"])
