"""Ten hosts of the lab that want models, a catalog of their own, and a Hub that counts what it sends."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from gpufleet import cli
from tests.drive import Fleet, Run
from tests.lab import pypi

HOSTS = [f"mod{n:02}" for n in range(1, 11)]
FIRST, SECOND, LATE = HOSTS[0], HOSTS[1], HOSTS[-1]
TOKEN = "hf_nobodyshouldseethis"
WEIGHTS = {f"model-{n}.safetensors": random.Random(n).randbytes(12_000_000) for n in (1, 2, 3)}
FOLDER = {**WEIGHTS, "config.json": b'{"num_hidden_layers": 2}', "README.md": b"not for hosts"}
FILE = random.Random(0).randbytes(5_000_000)
IMAGE = "docker.io/library/redis:8.2.1"
HOLDER = {
    "title": "Has models",
    "models": "many",
    "port": 6379,
    "volumes": [{"source": "models", "target": "/models", "read_only": True}],
    "healthcheck": {"test": ["CMD", "redis-cli", "ping"], "timeout": 60},
}


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
        self._write("services/holder", {**HOLDER, "image": {"cpu": f"{IMAGE}@{self.digest()}"}})
        self._write("stacks/models", {**stack, "models": {name: name for name in models}})
        for name, model in models.items():
            self._write(f"models/{name}", model)

    def digest(self) -> str:
        """What is pinned is not looked up: the machine that locks does not reach the lab's registries by name."""
        ask = f"docker image inspect {IMAGE} --format '{{{{index .RepoDigests 0}}}}'"
        return self.fleet.lab.run(FIRST, ask).stdout.strip().partition("@")[2]

    def _write(self, name: str, told: dict[str, Any]) -> None:
        path = self.folder / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(told))

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
        return [word for key, value in told.items() for word in ("--data", f"{key}={json.dumps(value)}")]

    def lock(self, *args: str) -> int:
        """Of its own hosts: no host is connected to, and others of the lab have other stacks."""
        inventory = self.folder / "hosts.py"
        inventory.write_text(f"cpu = {HOSTS}\n")
        return cli.main(["lock", str(inventory), *args, *self.data])

    def converge(self, *hosts: str) -> Run:
        limit = [word for host in hosts for word in ("--limit", host)]
        return self.fleet.converge("--json", *limit, *self.data)

    def files(self, host: str) -> list[str]:
        """Name and digest of what engines see."""
        find = "cd /srv/gpufleet/models && find . -type f -not -path './.*' -exec sha256sum {} + | sort -k 2"
        return self.fleet.lab.run(host, find).stdout.splitlines()

    def sent(self) -> dict[str, int]:
        """Bytes of bodies of weights that the Hub sent, by file; and start to count anew."""
        log = httpx.get(f"{self.hub}/_log", trust_env=False).json()
        httpx.delete(f"{self.hub}/_log", trust_env=False)
        found: dict[str, int] = {}
        for request in log:
            name = request["path"].rpartition("/")[2]
            if "/resolve/" in request["path"] and request["sent"] > 1000:
                found[name] = found.get(name, 0) + request["sent"]
        return found

    def spoil(self, kind: str, path: str, **more: Any) -> None:
        httpx.post(f"{self.hub}/_faults", json={"kind": kind, "path": path, **more}, trust_env=False).raise_for_status()

    def mend(self) -> None:
        httpx.delete(f"{self.hub}/_faults", trust_env=False).raise_for_status()
