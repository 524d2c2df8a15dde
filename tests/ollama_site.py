"""Hosts of the lab with Ollamas, a catalog of their own, and a registry that counts what it sends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from gpufleet import cli
from gpufleet.catalog import OURS
from gpufleet.catalog.lockfile import lock
from tests.declared import digest, near, words, write
from tests.drive import Fleet, Run
from tests.lab import pypi
from tests.lab.paths import RUN

FIRST, SECOND, CARD = "oll1", "oll2", "ollcard"
NAME, FILE = "tiny:1b", "lab-other.gguf"
IMAGES = {"ollama": "docker.io/ollama/ollama:0.32.9", "llama-cpp": "ghcr.io/ggml-org/llama.cpp:server-b11151"}
LICENCE = "x" * 20_000_000  # so that there is time to cut it off
AT = "/srv/gpufleet/models/ollama/models"
MANIFEST = f"{AT}/manifests/registry.ollama.ai/library/tiny/1b"


@dataclass
class Site:
    """Hosts with two Ollamas on one directory beside a llama.cpp, and a registry that says what it was asked."""

    fleet: Fleet
    folder: Path
    registry: str

    def declare(self) -> None:
        told = json.loads((RUN / "models.json").read_text())[FILE]
        shape = {"architecture": {"layers": 2, "kv_heads": 2, "head_dim": 96, "context": 4096}}
        for name, image in IMAGES.items():
            pinned = f"{image}@{digest(self.fleet.lab, FIRST, image)}"
            entry = yaml.safe_load((OURS / f"services/{name}.yaml").read_text())
            write(self.folder, f"services/{name}", {**entry, "image": dict.fromkeys(entry["image"], pinned)})
        ollama = {"service": "ollama", "models": ["chat", "file"]}
        llama = {"service": "llama-cpp", "model": "file", "options": {"context": 2048}}
        services = {"ollama": ollama, "more": ollama, "llama": llama}
        models = {"chat": "chat", "file": "file"}
        write(self.folder, "stacks/site", {"title": "Ollamas", "services": services, "models": models})
        write(self.folder, "models/chat", {"pull": NAME, "bytes": 21_000_000, **shape})
        write(self.folder, "models/file", {"file": FILE, **told, **shape})

    @property
    def data(self) -> list[str]:
        told: dict[str, object] = {
            "catalog": str(self.folder),
            "stack": "site",
            "models": {},
            "options": {},
            "lock": str(self.folder / "gpufleet.lock"),
            "mirrors": {"ollama": self.registry, "pypi": pypi.URL},
        }
        return words(told)

    def publish(self, file: str = "lab-tiny.gguf", **layers: str) -> str:
        """Ollama's people give the tag a content; the sha256 of its manifest."""
        folder = next(p for p in RUN.parent.glob("cache/models-*") if (p / file).exists())
        return self.post("_model", {"name": NAME, "file": str(folder / file), **layers})

    def post(self, path: str, told: object) -> str:
        return httpx.post(f"{self.registry}/{path}", json=told, trust_env=False).raise_for_status().text

    def asked(self) -> list[dict[str, Any]]:
        """What it was asked; and start to count anew."""
        found: list[dict[str, Any]] = httpx.get(f"{self.registry}/_log", trust_env=False).json()
        self.post("_clear", {})
        return found

    def sent(self) -> int:
        return sum(asked["sent"] for asked in self.asked())

    def lock(self, *args: str) -> str:
        assert cli.main(["lock", "inventory/lab.py", *args, *self.data, *near(ollama=self.registry)]) == 0
        return lock(self.folder / "gpufleet.lock").pulls[NAME].digest

    def converge(self, *hosts: str) -> Run:
        limit = [word for host in hosts for word in ("--limit", host)]
        return self.fleet.converge("--json", *limit, *self.data)

    def same(self, host: str) -> None:
        """A run changes nothing, and asks nobody."""
        self.asked()
        before = self.fleet.snapshot(host)
        run = self.converge(host)
        assert (run.code, run.totals["success"]) == (0, 0), run.output
        assert self.fleet.snapshot(host) == before
        assert self.asked() == []

    def on(self, host: str, command: str) -> str:
        return self.fleet.lab.run(host, command).stdout

    def listed(self, host: str, service: str = "ollama", what: str = "list") -> dict[str, str]:
        """By name how Ollama shows a model's content."""
        told = self.on(host, f"docker exec site-{service}-1 ollama {what}").splitlines()[1:]
        return {row.split()[0]: row.split()[1] for row in told}
