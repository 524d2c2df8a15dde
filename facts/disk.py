"""Disk space below the data root and of its models, and what is already there of the models."""

from __future__ import annotations

from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..schema import Disk
from .section import Section, probe
from .section import parse as parse_all

# Free and all KiB, whether it can be written to, number of the file system, directory.
ROOM = r"""
room() {
  d=$1
  while [ ! -d "$d" ]; do d=$(dirname "$d"); done
  [ -w "$d" ] && w=yes || w=no
  df -Pk "$d" | awk -v w="$w" -v n="$(stat -L -c %d "$d")" -v p="$1" 'NR == 2 { print $4, $2, w, n, p }'
}
"""

# Models often have a disk of their own.
SCRIPT = (
    ROOM
    + r"""
room "$root"
m=$root/models
[ -d "$m" ] && [ "$(stat -L -c %d "$m")" != "$(stat -L -c %d "$d")" ] && room "$m"
"""
)

PRESENT = r"""
IFS='
'
for p in $models; do stat -L -c '%s %n' "$p"; done
"""


def parse(lines: list[str]) -> tuple[Disk, ...]:
    """``free total writable device path`` lines; sizes in KiB."""
    rows = [row for row in (line.split(" ", 4) for line in lines) if len(row) == 5]
    return tuple(_disk(*row) for row in rows if row[0].isdecimal() and row[1].isdecimal())


def _disk(free: str, total: str, writable: str, device: str, path: str) -> Disk:
    sizes = {"free_mib": int(free) // 1024, "total_mib": int(total) // 1024}
    return Disk(path=path, writable=writable == "yes", device=device, **sizes)


def parse_present(lines: list[str]) -> dict[str, int]:
    """Bytes of what is there, by path."""
    rows = [line.split(" ", 1) for line in lines if " " in line]
    return {path: int(size) for size, path in rows if size.isdecimal()}


SECTION = Section("disk", SCRIPT, parse)
PRESENT_SECTION = Section("present", PRESENT, parse_present)


class Disks(FactBase[tuple[Disk, ...]]):
    """Returns the space below a directory: ``[{"path": "/srv", "free_mib": 512000, ...}]``."""

    @override
    def command(self, root: str = "/") -> str:
        return probe([SECTION], root=root)

    @override
    def process(self, output: list[str]) -> tuple[Disk, ...]:
        return parse_all([SECTION], output)["disk"]  # type: ignore[no-any-return]
