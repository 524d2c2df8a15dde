"""What the PCI bus tells of display and accelerator cards, with no driver and no tool."""

from __future__ import annotations

from dataclasses import dataclass

SCRIPT = r"""
for d in "$R"/sys/bus/pci/devices/*; do
  read -r class <"$d/class" || continue
  case $class in 0x0300* | 0x0302* | 0x0380* | 0x1200*) ;; *) continue ;; esac
  read -r vendor <"$d/vendor"; read -r device <"$d/device"
  driver=$(readlink "$d/driver")
  echo "pci ${d##*/} $class $vendor $device ${driver##*/}"
done
"""


# Display controllers: VGA, 3D, other. An accelerator (0x1200) is a GPU with AMD alone; 10de has bridges and audio, too.
GPU_CLASSES = ("0x0300", "0x0302", "0x0380")


@dataclass(frozen=True)
class PciCard:
    """A card on the bus. ``id`` is ``vvvv:dddd``."""

    address: str
    id: str
    driver: str | None


def parse(lines: list[str], vendor: str) -> list[PciCard]:
    """The cards of one vendor (four hex digits)."""
    rows = [line.split() for line in lines if line.startswith("pci ")]
    return [
        PciCard(
            address=row[1].lower(),
            id=f"{vendor}:{row[4][2:].lower()}",
            driver=row[5] if len(row) > 5 else None,
        )
        for row in rows
        if len(row) >= 5 and row[3].lower() == f"0x{vendor}" and row[2].startswith(GPU_CLASSES)
    ]


def normal(address: str) -> str:
    """``dddd:bb:dd.f`` in lower case, from what tools print.

    >>> normal("00000000:0C:00.0"), normal("0002:01:00.0")
    ('0000:0c:00.0', '0002:01:00.0')
    """
    domain, _, rest = address.strip().lower().partition(":")
    return f"{domain[-4:]:0>4}:{rest}"
