"""Disk space below the data root and of its models, and what is already there of the models."""

from __future__ import annotations

from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..schema import Disk
from .section import Section, probe
from .section import parse as parse_all

SCRIPT = r"""
d="$root"
while [ ! -d "$d" ]; do d=$(dirname "$d"); done
[ -w "$d" ] && w=yes || w=no
df -Pk "$d" | awk -v w="$w" -v p="$root" 'NR==2 {print $4, $2, w, p}'
# Models often have a disk of their own.
m="$root/models"
if [ -d "$m" ] && [ "$(stat -L -c %d "$m")" != "$(stat -L -c %d "$d")" ]; then
  [ -w "$m" ] && w=yes || w=no
  df -Pk "$m" | awk -v w="$w" -v p="$m" 'NR==2 {print $4, $2, w, p}'
fi
"""

PRESENT = r"""
IFS='
'
for p in $models; do stat -L -c '%s %n' "$p" "$p.partial" 2>/dev/null; done
"""


def parse(lines: list[str]) -> tuple[Disk, ...]:
    """``free total writable path`` lines; sizes in KiB."""
    rows = [line.split(" ", 3) for line in lines]
    return tuple(
        Disk(path=path, free_mib=int(free) // 1024, total_mib=int(total) // 1024, writable=writable == "yes")
        for free, total, writable, path in (
            row for row in rows if len(row) == 4 and row[0].isdecimal() and row[1].isdecimal()
        )
    )


def parse_present(lines: list[str]) -> dict[str, int]:
    """Bytes there, by the final path of a model: of the file, or of its partial download."""
    rows = [line.split(" ", 1) for line in lines if " " in line]
    sizes = {path: int(size) for size, path in rows if size.isdecimal()}
    return {path.removesuffix(".partial"): size for path, size in sorted(sizes.items(), key=lambda item: item[1])}


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
