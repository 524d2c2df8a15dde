"""What the kernel's compute driver (KFD) tells: a node for each card or partition, and the links between them."""

from __future__ import annotations

import re
from itertools import groupby

from ...schema.gpu import Link
from .amd_told import Told, number, place, uuid

# One line a node and one for each kind of its links, as a partitioned host has 63 nodes with 62 links each; the last
# word tells that a line is whole. The kernel lists a link's type before its end. grep skips what a container may not
# read, where awk would stop.
SCRIPT = r"""
(cd "$R/sys/class/kfd/kfd/topology/nodes" && grep -sE "^(simd_count|gfx_target_version|vendor_id|device_id|location_id\
|domain|unique_id|drm_render_minor|heap_type|size_in_bytes|type|node_to) " /dev/null */properties \
*/mem_banks/*/properties */io_links/*/properties */p2p_links/*/properties) | awk -F'[/: ]' '
  $2 == "properties" { said[$1] = said[$1] " " $3 "=" $4; if ($3 == "simd_count" && $4 > 0) gpu[$1] = 1; next }
  $5 == "heap_type" || $5 == "type" { type = $6 }
  $5 == "size_in_bytes" && (type == 1 || type == 2) { size[$1] += $6 }
  $5 == "node_to" && (type == 2 || type == 11) { to[type, $1] = to[type, $1] " " $6 }
  END {
    kind[2] = "pcie"; kind[11] = "xgmi"
    for (n in gpu) {
      printf "kfd %s%s memory=%.0f end\n", n, said[n], size[n]
      for (type in kind) {
        line = ""; many = split(to[type, n], other, " ")
        for (i = 1; i <= many; i++) if (other[i] in gpu) line = line " " other[i]
        if (line) print "kfdlinks " n " " kind[type] line " end"
      }
    }
  }'
"""


def nodes(lines: list[str]) -> list[Told]:
    """The nodes in the kernel's order, which is the runtime's, too."""
    said = [_pairs(line) for line in lines if line.startswith("kfd ") and line.endswith(" end")]
    usual = {n: values for n, values in said if n is not None and values.get("vendor_id", 0x1002) == 0x1002}
    return [_node(index, *item) for index, item in enumerate(sorted(usual.items()))]


def _pairs(line: str) -> tuple[int | None, dict[str, int]]:
    words = line.split()
    pairs = (word.partition("=") for word in words[2:-1])
    return number(words[1]), {key: value for key, _, text in pairs if (value := number(text)) is not None}


def _node(index: int, node: int, values: dict[str, int]) -> Told:
    at, chip, minor, size = (values.get(k, 0) for k in ("location_id", "device_id", "drm_render_minor", "memory"))
    return Told(
        index=index,
        node=node,
        address=f"{values.get('domain', 0):04x}:{place(at)}" if at else None,
        pci_id=f"1002:{chip & 0xFFFF:04x}" if chip else None,
        uuid=uuid(f"{values.get('unique_id', 0):016x}"),
        gfx=target(values.get("gfx_target_version", 0)),
        render_node=f"renderD{minor}" if minor else None,
        total=size >> 20 if size else None,
        driver="amdgpu",
        bound=True,
    )


def target(version: int) -> str | None:
    """``90010`` as ``gfx90a``: the last two pairs are hex digits.

    >>> target(90010), target(110501), target(0)
    ('gfx90a', 'gfx1151', None)
    """
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}" if version else None


def partitioned(told: list[Told]) -> set[str]:
    """The addresses, without a function, of cards that are several nodes."""
    places = sorted(t.address[:-1] for t in told if t.address)
    return {place_ for place_, group in groupby(places) if len(list(group)) > 1}


def links(lines: list[str], told: list[Told]) -> tuple[Link, ...]:
    """Each pair of cards once, by the address of their first partitions; XGMI where there is PCIe beside it."""
    first: dict[str, str] = {}
    for t in sorted((t for t in told if t.address), key=lambda t: t.address or ""):
        first.setdefault((t.address or "")[:-1], t.address or "")
    cards = {str(t.node): first[t.address[:-1]] for t in told if t.address}
    kinds: dict[tuple[str, str], str] = {}
    for line in lines:
        if line.startswith("kfdlinks ") and re.fullmatch(r"kfdlinks \d+ (xgmi|pcie)[\d ]+ end", line):
            _, node, kind, *others, _ = line.split()
            for other in {cards[n] for n in others if n in cards} if node in cards else ():
                pair = (min(cards[node], other), max(cards[node], other))
                kinds[pair] = "xgmi" if kind == "xgmi" else kinds.get(pair, kind)
    return tuple(Link(cards=p, kind=k) for p, k in sorted(kinds.items()) if p[0] != p[1])
