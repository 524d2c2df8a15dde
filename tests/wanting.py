"""Ten hosts of the lab that want models, a catalog of their own, and a Hub that counts what it sends."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gpufleet import cli
from tests.declared import HOLDER, digest, near, sent, words, write
from tests.drive import Fleet, Run
from tests.lab import pypi

HOSTS = [f"mod{n:02}" for n in range(1, 11)]
FIRST, SECOND, LATE = HOSTS[0], HOSTS[1], HOSTS[-1]
TOKEN = "hf_nobodyshouldseethis"
WEIGHTS = {f"model-{n}.safetensors": random.Random(n).randbytes(12_000_000) for n in (1, 2, 3)}
FOLDER = {**WEIGHTS, "config.json": b'{"num_hidden_layers": 2}', "README.md": b"not for hosts"}
FILE = random.Random(0).randbytes(5_000_000)
IMAGE = "docker.io/library/redis:8.2.1"


@dataclass
class Site:
    """Ten hosts whose stack is one program, a catalog of its own, and a Hub that counts."""

    fleet: Fleet
    folder: Path
    hub: str
    models: dict[str, Any] = field(default_factory=dict)

    def declare(self, *programs: str, **models: dict[str, Any]) -> None:
        """A stack of ``programs`` that each have all ``models``."""
        services = {name: {"service": "holder", "models": [*models]} for name in programs or ("holder",)}
        stack = {"title": "Models", "services": services}
        write(
            self.folder,
            "services/holder",
            {"title": "Has models", **HOLDER, "image": {"cpu": f"{IMAGE}@{digest(self.fleet.lab, FIRST, IMAGE)}"}},
        )
        write(self.folder, "stacks/models", {**stack, "models": {name: name for name in models}})
        for name, model in models.items():
            write(self.folder, f"models/{name}", model)

    @property
    def data(self) -> list[str]:
        told = {
            "catalog": str(self.folder),
            "stack": "models",
            "models": {},
            "options": {},
            "lock": str(self.folder / "gpufleet.lock"),
            "mirrors": {"huggingface": self.hub, "pypi": pypi.URL},
            "secrets": {"HF_TOKEN": "env:HF_TOKEN"},
        }
        return words(told)

    def lock(self, *args: str) -> int:
        """Of its own hosts: no host is connected to, and others of the lab have other stacks."""
        inventory = self.folder / "hosts.py"
        inventory.write_text(f"cpu = {HOSTS}\n")
        return cli.main(["lock", str(inventory), *args, *self.data, *near(huggingface=self.hub)])

    def converge(self, *hosts: str) -> Run:
        limit = [word for host in hosts for word in ("--limit", host)]
        return self.fleet.converge("--json", *limit, *self.data)

    def files(self, host: str) -> list[str]:
        """Name and digest of what engines see."""
        find = "cd /srv/gpufleet/models && find . -type f -not -path './.*' -exec sha256sum {} + | sort -k 2"
        return self.fleet.lab.run(host, find).stdout.splitlines()

    def sent(self) -> dict[str, int]:
        """Bytes of bodies of weights that the Hub sent, by file; and start to count anew."""
        return sent(self.hub, 1001)

    def spoil(self, kind: str, path: str, **more: Any) -> None:
        httpx.post(f"{self.hub}/_faults", json={"kind": kind, "path": path, **more}, trust_env=False).raise_for_status()

    def mend(self) -> None:
        httpx.delete(f"{self.hub}/_faults", trust_env=False).raise_for_status()
