"""What tests declare: entries of a catalog, and settings as words of a command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from gpufleet.plan.build import python
from tests.lab import Lab, registry
from tests.lab.paths import REGISTRY

# A small program that may have models.
HOLDER = {
    "models": "many",
    "port": 6379,
    "volumes": [{"source": "models", "target": "/models", "read_only": True}],
    "healthcheck": {"test": ["CMD", "redis-cli", "ping"], "timeout": 60},
}


def write(catalog: Path, name: str, told: Mapping[str, Any]) -> None:
    path = catalog / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(dict(told)))


def words(data: Mapping[str, Any]) -> list[str]:
    return [word for key, value in data.items() for word in ("--data", f"{key}={json.dumps(value)}")]


def near(*more: str, **mirrors: str) -> list[str]:
    """Mirrors for who locks: the machine does not reach the lab's registries by name, and what fetches models is made
    from an image that nobody pins. ``more``: images that are wanted, too."""
    for name, tag in (image.split(":") for image in (python(), *more)):
        registry.copy(name.removeprefix("docker.io/"), tag, name)
    return words({"mirrors": {**mirrors, "registry": f"http://{REGISTRY}"}})


def digest(lab: Lab, host: str, image: str) -> str:
    """What is pinned is not looked up."""
    ask = f"docker image inspect {image} --format '{{{{index .RepoDigests 0}}}}'"
    return lab.run(host, ask).stdout.strip().partition("@")[2]


def sent(hub: str, least: int) -> dict[str, int]:
    """Bytes of models that a Hub sent since it was asked last, by file; answers below ``least`` are none of a file."""
    log = httpx.get(f"{hub}/_log", trust_env=False).json()
    httpx.delete(f"{hub}/_log", trust_env=False)
    found: dict[str, int] = {}
    for request in log:
        if "/resolve/" in request["path"] and request["sent"] >= least:
            name = request["path"].rpartition("/")[2]
            found[name] = found.get(name, 0) + request["sent"]
    return found
