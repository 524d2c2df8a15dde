"""A host's container engine, set up as its user would have done: where images come from, how a container gets a card.

The way to a card is that of the engine's generation: a CDI spec with a switch (Docker 26), a CDI spec alone (Docker 28,
Podman), NVIDIA's runtime hook (Docker 20.10, which refuses a configuration that speaks of CDI).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from .hardware import Card
from .paths import FILES, REGISTRY
from .spec import Spec

REGISTRIES = f"""[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "{REGISTRY}"
insecure = true
"""
LIMITS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
PODMAN = {
    # Podman's own control groups manager cannot make groups of version 1 in a container.
    "etc/containers/containers.conf.d/lab.conf": '[engine]\ncgroup_manager = "cgroupfs"\n',
    "etc/containers/registries.conf.d/lab.conf": REGISTRIES,
    # Hosts of the lab may not raise their limits, and Podman does for a build.
    "etc/containers/containers.conf.d/limits.conf": LIMITS,
}


def configure(spec: Spec, root: Path, cards: Sequence[Card]) -> None:
    """Write the configuration into a host's files; ``cards`` are those that containers may have."""
    if spec.engine == "docker":
        _docker(spec, root, bool(cards))
    if spec.engine == "podman":
        _podman(root)
    if cards and (spec.engine == "podman" or (spec.engine == "docker" and spec.suite != "bookworm")):
        _write(root / "etc/cdi/nvidia.yaml", json.dumps(_cdi(cards), indent=2))  # JSON is YAML


def _docker(spec: Spec, root: Path, cards: bool) -> None:
    daemon: dict[str, object] = {"registry-mirrors": [f"http://{REGISTRY}"]}
    if cards and spec.suite == "trixie":
        daemon["features"] = {"cdi": True}
    if cards and spec.suite == "bookworm":
        for program in ("-base/usr/bin/nvidia-container-runtime", "/usr/bin/nvidia-container-runtime-hook"):
            shutil.copy(FILES / f"vendors/nvidia-container-toolkit{program}", root / "usr/bin")
        daemon["runtimes"] = {"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": []}}
    _write(root / "etc/docker/daemon.json", json.dumps(daemon, indent=2))


def _podman(root: Path) -> None:
    for path, text in PODMAN.items():
        _write(root / path, text)
    with (root / "etc/environment").open("a") as environment:
        environment.write("PODMAN_IGNORE_CGROUPSV1_WARNING=1\n")


def _cdi(cards: Sequence[Card]) -> dict[str, object]:
    """The spec that NVIDIA's toolkit would have written."""
    devices = [(name, [card.minor]) for i, card in enumerate(cards) for name in (str(i), card.uuid)]
    devices.append(("all", [card.minor for card in cards]))
    shared = [{"path": f"/dev/{name}"} for name in ("nvidiactl", "nvidia-uvm")]
    return {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "containerEdits": {"env": ["NVIDIA_VISIBLE_DEVICES=void"], "deviceNodes": shared},
        "devices": [
            {"name": name, "containerEdits": {"deviceNodes": [{"path": f"/dev/nvidia{n}"} for n in minors]}}
            for name, minors in devices
        ],
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
