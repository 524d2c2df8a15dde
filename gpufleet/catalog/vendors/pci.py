"""What the PCI bus tells of display and accelerator cards, with no driver and no vendor's tool."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .tools import answer

# /sys has no names, and in some containers it hides cards: lspci is asked for what is missing, and only then, as it
# costs as much as all the rest. A card that its vendor's driver holds is named by that driver.
SCRIPT = r"""
unnamed=yes
for d in "$R"/sys/bus/pci/devices/*; do
  read -r class <"$d/class" || continue
  [ "$unnamed" = yes ] && unnamed=
  case $class in 0x0300* | 0x0302* | 0x0380* | 0x1200*) ;; *) continue ;; esac
  read -r vendor <"$d/vendor"; read -r device <"$d/device"
  driver=$(readlink "$d/driver"); driver=${driver##*/}; numa=; read -r numa <"$d/numa_node"; card=; render=
  for n in "$d"/drm/*; do case $n in */card*) card=${n##*/} ;; */renderD*) render=${n##*/} ;; esac; done
  echo "pci ${d##*/} $class $vendor $device driver=$driver numa=$numa card=$card render=$render"
  case $vendor$driver in 0x10denvidia | 0x8086i915) ;; 0x10de* | 0x1002* | 0x8086*) unnamed=cards ;; esac
done
[ -z "$unnamed" ] || ask lspci lspci -Dnnk
"""

# Display controllers: VGA, 3D, other. An accelerator (1200) is a GPU with AMD alone: Intel's is an NPU.
DISPLAY = ("0300", "0302", "0380")
ACCELERATOR = "1200"

_LSPCI = re.compile(
    r"(?P<address>(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) "
    r"(?:.*\[(?P<class>[0-9a-f]{4})\]: (?P<name>.*) \[(?P<id>[0-9a-f]{4}:[0-9a-f]{4})\]"
    r"|(?P<class_n>[0-9a-f]{4}): (?P<id_n>[0-9a-f]{4}:[0-9a-f]{4}))",
    re.IGNORECASE,
)
_MAKER = re.compile(r"^(NVIDIA Corporation|Advanced Micro Devices, Inc\. \[AMD/ATI\]|Intel Corporation) ")


@dataclass(frozen=True)
class PciCard:
    """A function on the bus. ``id`` is ``vvvv:dddd``, ``name`` as lspci knows it, without its maker.

    ``bound``: a driver holds it; None where only lspci told of it, which may not have been let to see.
    """

    address: str
    id: str
    pci_class: str
    driver: str | None = None
    name: str | None = None
    numa_node: int | None = None
    card_node: str | None = None
    render_node: str | None = None
    bound: bool | None = None


def cards(lines: list[str], vendor: str) -> dict[str, PciCard]:
    """The GPUs of one vendor (four hex digits) by address, as far as their class and vendor tell."""
    classes = (*DISPLAY, ACCELERATOR) if vendor == "1002" else DISPLAY
    return {a: c for a, c in bus(lines).items() if c.id.startswith(vendor) and c.pci_class in classes}


def bus(lines: list[str]) -> dict[str, PciCard]:
    """Every display or accelerator function by address: /sys first, names and what is missing there from lspci."""
    listed = _lspci(answer(lines, "lspci").text)
    found = {c.address: c for line in lines if line.startswith("pci ") and (c := _sysfs(line))}
    named = {a: replace(c, name=listed[a].name) if a in listed else c for a, c in found.items()}
    return named | {a: c for a, c in listed.items() if a not in found}


def _sysfs(line: str) -> PciCard | None:
    row = line.split(" ")
    if len(row) < 5 or not all(re.fullmatch(r"0x[0-9a-fA-F]{4,8}", w) for w in row[2:5]):
        return None
    more = dict(word.partition("=")[::2] for word in row[5:])
    numa = more.get("numa", "")
    return PciCard(
        address=normal(row[1]),
        id=f"{row[3][2:6]}:{row[4][2:6]}".lower(),
        pci_class=row[2][2:6],
        driver=more.get("driver") or None,
        numa_node=int(numa) if re.fullmatch("[0-9]{1,4}", numa) else None,
        card_node=more.get("card") or None,
        render_node=more.get("render") or None,
        bound=bool(more.get("driver")),
    )


def _lspci(text: str) -> dict[str, PciCard]:
    found: dict[str, PciCard] = {}
    last = ""
    for line in text.splitlines():
        if match := _LSPCI.match(line):
            last = normal(match["address"])
            name = _MAKER.sub("", match["name"]) if match["name"] else None
            id_, class_ = (match["id"] or match["id_n"]).lower(), (match["class"] or match["class_n"]).lower()
            found[last] = PciCard(last, id_, class_, name=None if name and name.startswith("Device") else name)
        elif last and (driver := re.match(r"\s+Kernel driver in use: (\S+)", line)):
            found[last] = replace(found[last], driver=driver[1], bound=True)
        elif last and re.match(r"\s+Kernel modules: ", line):  # lspci -k was let to see, and would have said the driver
            found[last] = replace(found[last], bound=bool(found[last].bound))
        elif line and not line[0].isspace():
            last = ""
    return found


def normal(address: str) -> str:
    """``dddd:bb:dd.f`` in lower case, from what tools print.

    >>> normal("00000000:0C:00.0"), normal("0002:01:00.0"), normal("06:00.0")
    ('0000:0c:00.0', '0002:01:00.0', '0000:06:00.0')
    """
    parts = address.strip().lower().split(":")
    domain = parts[-3] if len(parts) > 2 else ""
    return f"{domain[-4:]:0>4}:{':'.join(parts[-2:])}"
