"""Stand-ins for programs of the catalog that cannot be had from Debian or PyPI: one image each, made of its entry."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from gpufleet.schema import Service

from .paths import FILES

PROGRAM = FILES / "image" / "standin.py"
URL = re.compile(r"https?://[^/\s'\"]+(/[^\s'\"?]*)")


def config(name: str, service: Service) -> dict[str, object]:
    """The image's configuration: whatever command it is given, the stand-in runs."""
    told = {
        "name": name,
        "ports": [service.port, *service.ports.values()],
        "answers": dict.fromkeys(_asked(service), 200) | _gate(service),
        "needs": [name for name, value in service.environment.items() if "${" in value],
        "writes": [v.target for v in service.volumes if not v.read_only],
    }
    return {"Entrypoint": ["python3", "/standin.py"], "Env": [f"STANDIN={json.dumps(told, sort_keys=True)}"]}


def _asked(service: Service) -> list[str]:
    """Paths that the health check asks for."""
    return URL.findall(" ".join(service.healthcheck.test)) if service.healthcheck else []


def _gate(service: Service) -> dict[str, int]:
    return {service.gate.path.partition("?")[0]: service.gate.status} if service.gate else {}


def layer(folder: Path) -> None:
    """The program, over the common tree."""
    (folder / "layer").mkdir()
    shutil.copy(PROGRAM, folder / "layer")
