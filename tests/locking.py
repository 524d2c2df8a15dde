"""A catalog, a Hub and a registry for `gpufleet lock`, and the command run there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet import cli
from gpufleet.catalog.lockfile import lock
from gpufleet.cli.locking import patience
from gpufleet.plan.build import python
from tests import hub as hubs
from tests import registry as registries
from tests.declared import words
from tests.hub import Hub, publish
from tests.registry import Registry

CONFIG: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 64}
CONFIG |= {"max_position_embeddings": 512, "model_type": "llama"}
FILES = {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": b"w" * (2 << 20), "README.md": b"read me"}
TOKEN = "hf_of_mine"
SERVICES = {
    "engine": {"title": "Engine", "image": {"cpu": "docker.io/team/engine:1.0"}, "models": "one", "port": 8000},
    "puller": {
        "title": "Puller",
        "image": {"cpu": "ghcr.io/team/puller:2.0", "cuda": "ghcr.io/team/puller:2.0-cuda"},
        "models": "many",
        "library": "puller/models",
        "port": 11434,
    },
}
STACK = {
    "title": "Mine",
    "services": {
        "engine": {"service": "engine", "model": "chat"},
        "puller": {"service": "puller", "models": ["small"], "optional": True},
    },
    "models": {"chat": "chat", "small": "small"},
}
MODELS = {"chat": {"repo": "acme/tiny"}, "small": {"pull": "tiny:1b", "bytes": 5}, "other": {"repo": "acme/other"}}
BASE = python()  # of the program that fetches models
IMAGES = ("docker.io/team/engine:1.0", "ghcr.io/team/puller:2.0", "ghcr.io/team/puller:2.0-cuda")


@dataclass
class Site:
    """An inventory with a catalog, and the servers that it asks."""

    hub: Hub
    registry: Registry
    capture: pytest.CaptureFixture[str]

    def run(self, *args: str, **data: Any) -> tuple[int, list[str], list[str]]:
        """Exit code, and lines of both outputs."""
        code = cli.main(["lock", "inventory.py", *words(data), *args])
        told = self.capture.readouterr()
        return code, told.out.splitlines(), told.err.splitlines()

    @property
    def locked(self) -> Any:
        return lock(Path("gpufleet.lock"))


@contextmanager
def served(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[tuple[Hub, Registry, dict[str, Any]]]:
    """A catalog in ``folder``, where the command runs then, the servers that it asks, and the settings that say so."""
    patch.chdir(folder)
    patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    patch.delenv("HF_TOKEN", raising=False)
    patch.setattr(patience, "WAITS", (0, 0))
    for kind, entries in (("services", SERVICES), ("models", MODELS), ("stacks", {"mine": STACK})):
        Path("catalog", kind).mkdir(parents=True)
        for name, entry in entries.items():
            Path("catalog", kind, f"{name}.yaml").write_text(yaml.safe_dump(entry))
    with hubs.serve(folder / "hub") as hub, registries.serve() as images:
        publish(hub.root, "acme/tiny", FILES, card={"license": "apache-2.0"})
        publish(hub.root, "acme/other", {**FILES, "pytorch_model.bin": b"again"})
        for image in (BASE, *IMAGES):
            images.publish(image, 100)
        images.publish("library/tiny:1b", 700, 11)
        mirrors = {"huggingface": hub.url, "registry": images.at, "ollama": f"http://{images.at}"}
        yield hub, images, {"stack": "mine", "catalog": "catalog", "mirrors": mirrors}
