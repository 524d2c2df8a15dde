"""Fake GPU hardware of a host: device nodes, a sysfs tree, and vendor tools that replay a capture.

The capture is a folder of tests/cases/gpu: ``cmd/`` holds what commands printed, ``fs/`` what files held. It is laid
into the host, and a unit of the host puts it in place at every boot, before dockerd starts.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from .paths import FILES, PROFILES
from .shell import LabError


def install(profile: str, root: Path) -> None:
    """Lay the hardware of ``profile`` into a host's files."""
    source, place = PROFILES / profile, root / "usr/local/lib/lab"
    if not source.is_dir():
        have = ", ".join(["cpu", *sorted(p.name for p in PROFILES.iterdir())])
        raise LabError(f"no profile '{profile}'; use one of: {have}")
    place.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, place / "capture", symlinks=True, dirs_exist_ok=True)
    shutil.copy(FILES / "hardware", place / "hardware")
    (place / "hardware").chmod(0o755)
    cards = _cards(source)
    (place / "cards").write_text("".join(f"{i} {uuid}\n" for i, uuid in enumerate(cards)))
    for tool in {p.name.split()[0] for p in source.glob("cmd/*")}:
        shutil.copy(FILES / "replay", root / "usr/bin" / tool)
        (root / "usr/bin" / tool).chmod(0o755)
    if cards:
        _container_toolkit(root, cards)


def _cards(source: Path) -> list[str]:
    """UUIDs of the cards of which nvidia-smi tells anything."""
    reports = sorted(source.glob("cmd/nvidia-smi*-q -x"))
    return [uuid for report in reports for uuid in re.findall(r"<uuid>(GPU-[0-9a-f-]+)", report.read_text())]


def _container_toolkit(root: Path, cards: list[str]) -> None:
    """The CDI spec that NVIDIA's toolkit would have written, and the switch that Docker 26 needs to read it."""
    devices = [(name, [i]) for i, uuid in enumerate(cards) for name in (str(i), uuid)]
    devices.append(("all", list(range(len(cards)))))
    shared = [{"path": f"/dev/{name}"} for name in ("nvidiactl", "nvidia-uvm")]
    spec = {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "containerEdits": {"env": ["NVIDIA_VISIBLE_DEVICES=void"], "deviceNodes": shared},
        "devices": [
            {"name": n, "containerEdits": {"deviceNodes": [{"path": f"/dev/nvidia{i}"} for i in ids]}}
            for n, ids in devices
        ],
    }
    (root / "etc/cdi").mkdir(parents=True, exist_ok=True)
    (root / "etc/cdi/nvidia.yaml").write_text(json.dumps(spec, indent=2))  # JSON is YAML
    daemon = root / "etc/docker/daemon.json"
    daemon.write_text(json.dumps({**json.loads(daemon.read_text()), "features": {"cdi": True}}, indent=2))
