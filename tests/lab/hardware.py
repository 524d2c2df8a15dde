"""Fake GPU hardware of a host: device nodes, a sysfs tree, and vendor tools that replay a capture.

The capture is a folder of tests/cases/gpu: ``cmd/`` holds what commands printed, ``fs/`` what files held. It is laid
into the host, and a unit of the host puts it in place at every boot, before dockerd starts.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .paths import FILES, PROFILES

# As a driver's modules are loaded: before any service asks for a card.
EARLY = "[Unit]\nBefore=sysinit.target\n"
# What a machine shows once it has booted with a driver out of a package: the same card, with a driver of this version,
# which gives way to the package's.
DRIVEN = {
    "nvidia-no-driver": "rtx4090", "rtx4090": "rtx4090", "two-nvidia": "two-nvidia", "amd-no-driver": "w7900"
}  # fmt: skip
CAPTURED = "580.95.05"


@dataclass(frozen=True)
class Card:
    """A card that containers may be given, and the number of its node."""

    uuid: str
    minor: int


def install(profile: str, root: Path) -> list[Card]:
    """Lay the hardware of ``profile`` into a host's files. The cards that containers may be given, in their order."""
    source, place = PROFILES / profile, root / "usr/local/lib/lab"
    place.mkdir(parents=True, exist_ok=True)
    cards = _lay(profile, place / "capture")
    shutil.copy(place / "capture/cards", place)
    if profile in DRIVEN:
        _lay(profile, place / "plain")
        _lay(DRIVEN[profile], place / "driver")
        (place / "driver/version").write_text(CAPTURED)
        (place / "module").write_text("amdgpu" if profile.startswith("amd") else "nvidia")
        (place / "loaded").touch()
    shutil.copy(FILES / "hardware", place / "hardware")
    (place / "hardware").chmod(0o755)
    for tool in {p.name.split()[0] for p in source.glob("cmd/*")}:
        shutil.copy(FILES / "replay", root / "usr/bin" / tool)
        (root / "usr/bin" / tool).chmod(0o755)
    unit = root / "etc/systemd/system/lab-hardware.service.d"
    unit.mkdir(parents=True)
    (unit / "early.conf").write_text(EARLY)
    return cards


def _lay(profile: str, target: Path) -> list[Card]:
    """A copy of a capture, with a list of its cards."""
    shutil.copytree(PROFILES / profile, target, symlinks=True, dirs_exist_ok=True)
    cards = _cards(target)
    (target / "cards").write_text("".join(f"{c.minor} {c.uuid}\n" for c in cards))
    return cards


def _cards(source: Path) -> list[Card]:
    """The cards of which nvidia-smi tells anything. A node is named by its minor number, which is not the index."""
    text = "".join(report.read_text() for report in sorted(source.glob("cmd/nvidia-smi*-q -x")))
    found = re.findall(r"<uuid>(GPU-[0-9a-f-]+)</uuid>.*?<minor_number>([0-9]+)<", text, re.DOTALL)
    return [Card(uuid, int(minor)) for uuid, minor in found]
