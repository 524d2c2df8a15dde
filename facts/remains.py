"""What a host has of a stack."""

from __future__ import annotations

from typing import Any

from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..schema import Remains
from .engine import ELSEWHERE_SECTION
from .section import Section, parse, probe

FOREIGN = r"""
label=com.docker.compose.project
docker ps -a --filter "label=$label=$stack" --format "{{.Label \"$label.working_dir\"}}" |
  awk -v root="$root/" 'index($0 "/", root) != 1' | sort -u
"""
GONE = r"""
label=com.docker.compose.project
docker ps -a --filter "label=$label=$stack" --format 'container {{.Names}}' | sort
docker network ls --filter "label=$label=$stack" --format 'network {{.Name}}' | sort
for unit in gpufleet gpufleet-ports; do
  for link in /etc/systemd/system/*.wants/"$unit@$stack.service"; do [ -L "$link" ] && echo "unit $unit@$stack"; done
done
[ -e "/etc/gpufleet/$stack.nft" ] && echo "rules /etc/gpufleet/$stack.nft"
grep -qsx "name: $stack" "$root/current/compose.yaml" && echo "releases $root/releases"
[ -e "$root/.gone" ] && echo "releases $root/.gone"
"""
KEPT = r"""
for path in "$root/.env" "$root/data" "$root/models"; do [ -e "$path" ] && du -skxD "$path"; done
"""


def kept(lines: list[str]) -> dict[str, int]:
    """
    >>> kept(["4\\t/srv/gpufleet/.env"])
    {'/srv/gpufleet/.env': 4096}
    """
    rows = (line.partition("\t") for line in lines)
    return {path: int(kib) * 1024 for kib, _, path in rows if kib.isdecimal()}


SECTIONS: list[Section[Any]] = [
    ELSEWHERE_SECTION,
    Section("foreign", FOREIGN, tuple[str, ...]),
    Section("gone", GONE, tuple[str, ...]),
    Section("kept", KEPT, kept),
]


class StackRemains(FactBase[Remains]):
    """Returns Remains of ``stack``, which runs from ``root`` under ``engine``."""

    @override
    def command(self, stack: str, root: str, engine: str = "docker") -> str:
        return probe(SECTIONS, stack=stack, root=root, engine=engine)

    @override
    def process(self, output: list[str]) -> Remains:
        return Remains(**parse(SECTIONS, output))
