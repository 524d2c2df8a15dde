"""Stand-ins for programs of the catalog that cannot be had from Debian or PyPI: one image each, made of its entry."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from gpufleet.schema import Service

from .paths import FILES

PROGRAM = FILES / "image" / "standin.py"
MORE = yaml.safe_load((Path(__file__).parent / "standins.yaml").read_text())
URL = re.compile(r"https?://[^/\s'\"]+(/[^\s'\"?]*)")


def config(services: Mapping[str, Service]) -> dict[str, object]:
    """The configuration of the image that ``services`` share: whatever command it is given, the stand-in runs."""
    told: dict[str, Any] = {"name": " ".join(services), "ports": [], "answers": {}, "writes": []}
    env: list[str] = []
    for name, service in services.items():
        more = dict(MORE.get(name, {}))
        env += more.pop("env", ())
        told["ports"] = sorted({*told["ports"], service.port, *service.ports.values()})
        told["answers"] |= dict.fromkeys(_asked(service), 200) | _gate(service)
        told["writes"] += [v.target for v in service.volumes if not v.read_only]
        told |= more
    return {"Entrypoint": ["python3", "/standin.py"], "Env": [f"STANDIN={json.dumps(told, sort_keys=True)}", *env]}


def _asked(service: Service) -> list[str]:
    """Paths that the health check asks for."""
    return URL.findall(" ".join(service.healthcheck.test)) if service.healthcheck else []


def _gate(service: Service) -> dict[str, int]:
    return {service.gate.path.partition("?")[0]: service.gate.status} if service.gate else {}


def layer(folder: Path, services: Collection[Service]) -> None:
    """The program, over the common tree; under the names by which a service starts it and asks it, too."""
    words = [s.entrypoint for s in services if s.entrypoint]
    words += [s.healthcheck.test[1:2] for s in services if s.healthcheck and s.healthcheck.test[1].startswith("/")]
    paths = {word[-1] if word[-1].startswith("/") else f"/usr/bin/{word[0]}" for word in words}
    for path in {"/standin.py", *paths}:
        file = folder / "layer" / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROGRAM, file)
        file.chmod(0o755)
