"""Fake GPU hardware of a host: device nodes, a sysfs tree, and vendor tools that replay a capture.

The capture is a folder of tests/cases/gpu: ``cmd/`` holds what commands printed, ``fs/`` what files held. It is laid
into the host, and a unit of the host puts it in place at every boot, before dockerd starts.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .paths import FILES, PROFILES

# As a driver's modules are loaded: before any service asks for a card.
EARLY = "[Unit]\nBefore=sysinit.target\n"


def install(profile: str, root: Path) -> list[str]:
    """Lay the hardware of ``profile`` into a host's files. UUIDs of the cards that containers may be given."""
    source, place = PROFILES / profile, root / "usr/local/lib/lab"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, place / "capture", symlinks=True, dirs_exist_ok=True)
    shutil.copy(FILES / "hardware", place / "hardware")
    (place / "hardware").chmod(0o755)
    cards = _cards(source)
    (place / "cards").write_text("".join(f"{i} {uuid}\n" for i, uuid in enumerate(cards)))
    for tool in {p.name.split()[0] for p in source.glob("cmd/*")}:
        shutil.copy(FILES / "replay", root / "usr/bin" / tool)
        (root / "usr/bin" / tool).chmod(0o755)
    unit = root / "etc/systemd/system/lab-hardware.service.d"
    unit.mkdir(parents=True)
    (unit / "early.conf").write_text(EARLY)
    return cards


def _cards(source: Path) -> list[str]:
    """UUIDs of the cards of which nvidia-smi tells anything."""
    reports = sorted(source.glob("cmd/nvidia-smi*-q -x"))
    return [uuid for report in reports for uuid in re.findall(r"<uuid>(GPU-[0-9a-f-]+)", report.read_text())]
