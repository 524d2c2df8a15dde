"""AMD: /sys and the kernel's compute topology (KFD) tell all but the name; the tools fill in what a container hides."""

from __future__ import annotations

import re

from . import pci, rocm_tools
from .amd_state import card, judge, problems
from .rocm_tools import Told, number
from .seen import Seen
from .tools import answer

# One awk for all nodes: a partitioned host has 64 of them. The tools are slow (Python), so they are asked only where
# /sys and KFD tell of no memory; rocminfo always, as it alone says whether the runtime opens the cards.
SCRIPT = r"""
for d in "$R"/sys/bus/pci/devices/* "$R"/sys/class/drm/card*/device; do
  a=${d##*/}
  if [ "$a" = device ]; then
    [ -L "$d" ] && continue
    a=${d%/device}; a=drm:${a##*/}
  else
    read -r v <"$d/vendor" && [ "$v" = 0x1002 ] || continue
  fi
  for k in mem_info_vram_total mem_info_vram_used mem_info_gtt_total mem_info_vram_vendor unique_id product_name; do
    [ -r "$d/$k" ] && read -r v <"$d/$k" && echo "amdsys $a $k $v"
  done
  [ -e "$d/board_info" ] && echo "amdsys $a board_info yes"
done
for d in "$R"/sys/class/drm/card* "$R"/sys/class/drm/renderD*; do
  t=$(readlink "$d/device") && n=${d##*/} && case $n in *-*) ;; *) echo "amddrm $n ${t##*/}" ;; esac
done
set -- "$R"/sys/class/kfd/kfd/topology/nodes/*/properties "$R"/sys/class/kfd/kfd/topology/nodes/*/mem_banks/*/properties
awk '
  FNR == 1 { n = split(FILENAME, p, "/"); bank = p[n-2] == "mem_banks"; node = bank ? p[n-3] : p[n-1] }
  bank || /^(simd_count|gfx_target_version|vendor_id|device_id|location_id|domain|unique_id|drm_render_minor) / {
    print (bank ? "kfdbank" : "kfd"), node, $1, $2 }' "$@" || true
for f in "$R"/opt/rocm*/.info/version; do [ -r "$f" ] && read -r v <"$f" && echo "rocm $v"; done
if [ -e "$R/dev/kfd" ]; then
  if [ -r "$R/dev/kfd" ] && [ -w "$R/dev/kfd" ]; then echo 'devkfd rw'; else echo 'devkfd no'; fi
fi
tell() { said=$(ask "$@"); printf '%s\n' "$said"; }
tell rocminfo rocminfo
any=$(grep -hs 0x1002 "$R"/sys/bus/pci/devices/*/vendor | head -n 1)
for tool in rocm-smi amd-smi rocminfo; do any=$any$(command -v $tool); done
if [ "$any" ] && ! grep -qs . "$R"/sys/bus/pci/devices/*/mem_info_vram_total; then
  tell rocmsmi rocm-smi --showallinfo --json
  case $said in *card0*) ;; *)
    tell rocmcsv rocm-smi --showproductname --showmeminfo vram --csv
    tell rocmsmit rocm-smi -a ;;
  esac
  tell amdsmi amd-smi static --json
  case $said in *'"gpu"'*) ;; *) tell amdsmit amd-smi static ;; esac
  ask dmesg sh -c '{ dmesg || journalctl -k -n 5000 --no-pager; } 2>/dev/null | grep -E "kfd|amdgpu" | tail -n 50'
fi
"""

VENDOR = "1002"
_SPOKEN = re.compile(
    r"^(\S+) (?:VGA compatible|3D|Display) controller: Advanced Micro Devices, Inc\. \[AMD/ATI\] (.+?)"
    r"(?: \(rev \w+\))?$",
    re.MULTILINE,
)


def parse(lines: list[str]) -> Seen:
    """AMD's cards: those of the bus and of KFD by address, told more by the tools."""
    cards = _bus(lines)
    _kfd(lines, cards)
    sysfs = bool(cards)
    driver = _tools(lines, cards)
    info, log = answer(lines, "rocminfo"), answer(lines, "dmesg").text
    said = "\n".join((info.text, info.complaint))
    judge(lines, cards, said, log)
    version = next((line[5:] for line in lines if re.fullmatch(r"rocm [0-9][\w.-]*", line)), None)
    told = tuple(card(c, driver, version) for c in cards)
    return Seen(told, tuple(problems(lines, cards, said, log, sysfs)), driver, None, version)


def _bus(lines: list[str]) -> list[Told]:
    """Cards of the bus, of /sys/class/drm where the bus is hidden, and of a listing in words."""
    text = answer(lines, "lspci").text
    cards: dict[str, Told] = {
        a: {"pci_address": a, "pci_id": c.id, "name": c.name, "kernel_driver": c.driver, "bound": c.bound,
            "numa_node": c.numa_node, "card_node": c.card_node, "render_node": c.render_node}
        for a, c in pci.cards(lines, VENDOR).items()
    }  # fmt: skip
    for address, called in _SPOKEN.findall(text):
        if re.fullmatch(r"(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", address):
            cards.setdefault(pci.normal(address), {"pci_address": pci.normal(address), "name": called, "bound": None})
    for line in lines:
        row = line.split(" ", 3)
        if row[0] == "amdsys" and len(row) == 4 and (row[1] in cards or row[1].startswith("drm:card")):
            card = cards.setdefault(row[1], {"kernel_driver": "amdgpu", "bound": True, "card_node": row[1][4:]})
            card[row[2]] = row[3]
        elif row[0] == "amddrm" and len(row) == 3 and row[2] in cards:
            cards[row[2]]["card_node" if row[1].startswith("card") else "render_node"] = row[1]
    for card in cards.values():
        _memory(card)
    return list(cards.values())


def _memory(card: Told) -> None:
    """MiB from the bytes of /sys."""
    total, used = number(card.get("mem_info_vram_total")), number(card.get("mem_info_vram_used"))
    gtt = number(card.get("mem_info_gtt_total"))
    if total:
        card["vram_total_mib"] = total >> 20
        card["vram_free_mib"] = (total - used) >> 20 if used is not None and used <= total else None
    card["gtt_total_mib"] = gtt >> 20 if gtt else None
    card["uuid"] = rocm_tools.uuid(card.get("unique_id"))
    card["name"] = card.get("product_name") or card.get("name")


def _kfd(lines: list[str], cards: list[Told]) -> None:
    """The compute nodes: each a card, or a partition of one."""
    nodes: dict[int, dict[str, int]] = {}
    banks: dict[int, int] = {}
    kind = 0
    for line in lines:
        row = line.split()
        if len(row) != 4 or row[0] not in ("kfd", "kfdbank") or (node := number(row[1])) is None:
            continue
        value = number(row[3])
        if row[0] == "kfd" and value is not None:
            nodes.setdefault(node, {})[row[2]] = value
        elif row[2] == "heap_type":
            kind = value or 0
        elif row[2] == "size_in_bytes" and kind in (1, 2) and value:
            banks[node] = banks.get(node, 0) + value
    usual = [(n, p) for n, p in sorted(nodes.items()) if p.get("simd_count") and p.get("vendor_id", 0x1002) == 0x1002]
    for index, (node, properties) in enumerate(usual):
        _node(index, node, properties, banks.get(node), cards)


def _node(index: int, node: int, properties: dict[str, int], bank: int | None, cards: list[Told]) -> None:
    place, minor = properties.get("location_id", 0), properties.get("drm_render_minor", 0)
    domain = properties.get("domain", 0)
    told = {
        "index": index,
        "kfd_node": node,
        "pci_address": f"{domain:04x}:{place >> 8 & 255:02x}:{place >> 3 & 31:02x}.{place & 7}" if place else None,
        "pci_id": f"1002:{properties['device_id'] & 0xFFFF:04x}" if properties.get("device_id") else None,
        "uuid": rocm_tools.uuid(f"{properties.get('unique_id', 0):x}"),
        "gfx_target": _gfx(properties.get("gfx_target_version", 0)),
        "render_node": f"renderD{minor}" if minor else None,
        "vram_total_mib": bank >> 20 if bank else None,
        "kernel_driver": "amdgpu",
        "bound": True,
    }
    _merge(cards, {key: value for key, value in told.items() if value is not None}, "kfd")


def _gfx(version: int) -> str | None:
    """``90010`` as ``gfx90a``: the last two pairs are hex digits.

    >>> _gfx(90010), _gfx(110501), _gfx(0)
    ('gfx90a', 'gfx1151', None)
    """
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}" if version else None


def _merge(cards: list[Told], told: Told, source: str) -> None:
    """Add what ``told`` knows to its card, or it as a card: the same address, identifier, node or place in the list."""
    same = ("pci_address",) if source == "kfd" else ("pci_address", "uuid", "kfd_node", "index")
    for key in same:
        if told.get(key) is None:
            continue
        match = next((c for c in cards if c.get(key) == told[key]), None)
        if match is None and key in ("uuid", "kfd_node", "index"):
            match = next((c for c in cards if c.get(key) is None and _alone(cards, c, told)), None)
        if match is not None:
            match.update({k: v for k, v in told.items() if v is not None and match.get(k) is None})
            if source == "rocminfo":  # the runtime's name is the product's; rocm-smi has the board's, cut
                match["name"] = told.get("name") or match.get("name")
            match["told"] = match.get("told") or source
            return
        if key == "pci_address" and all(c.get("pci_address") for c in cards):
            break
    cards.append({**told, "told": source})


def _alone(cards: list[Told], card: Told, told: Told) -> bool:
    """The only card, and nothing speaks against it."""
    shared = ("pci_address", "uuid", "kfd_node", "index", "gfx_target")
    return len(cards) == 1 and all(card.get(k) in (None, told.get(k)) or told.get(k) is None for k in shared)


def _tools(lines: list[str], cards: list[Told]) -> str | None:
    """Merge what the tools tell; returns the driver's version."""
    first, version = rocm_tools.rocm_smi_json(answer(lines, "rocmsmi").text)
    spoken, other = rocm_tools.rocm_smi_text(answer(lines, "rocmsmit").text)
    static = answer(lines, "amdsmi")
    whole = rocm_tools.json_after_noise(static.text) is not None
    sources: list[tuple[str, list[Told]]] = [
        ("rocm-smi", first or rocm_tools.rocm_smi_csv(answer(lines, "rocmcsv").text)),
        ("rocm-smi", spoken),
        ("amd-smi" if whole else "half", rocm_tools.amd_smi_json(static.text)),
        ("amd-smi", rocm_tools.amd_smi_text(answer(lines, "amdsmit").text)),
        ("rocminfo", _by_order(rocm_tools.rocminfo(answer(lines, "rocminfo").text), cards)),
    ]
    for source, found in sources:
        for told in found:
            version = version or told.pop("driver_version", None)
            told.pop("driver_version", None)
            _merge(cards, told, source)
            _heard(cards, told, source)
    return version or other


def _heard(cards: list[Told], told: Told, source: str) -> None:
    """Remember that a tool answered for a card that the kernel told of first."""
    for one in cards:
        if source != "half" and any(
            told.get(k) is not None and one.get(k) == told[k] for k in ("pci_address", "index", "kfd_node")
        ):
            one["heard"] = source


def _by_order(agents: list[Told], cards: list[Told]) -> list[Told]:
    """rocminfo's agents in their order, which is rocm-smi's where there are as many of them."""
    if len(agents) == len([c for c in cards if c.get("index") is not None]):
        return [{"index": i, **agent} for i, agent in enumerate(agents)]
    return [{"index": i, **agent} for i, agent in enumerate(agents)] if not cards else agents
