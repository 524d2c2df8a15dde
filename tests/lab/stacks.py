"""Stacks of the catalog on hosts of the lab: all as it is, but for the models, which are small."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from gpufleet.catalog import Catalog

from .images import named
from .paths import RUN
from .shell import replace

CATALOG, DATA = RUN / "catalog", RUN / "stacks.json"
SHAPE = {"layers": 2, "kv_heads": 2, "head_dim": 96, "context": 131072}


def write() -> None:
    """A catalog with every model of ours, but small, and with images that a registry of the lab can have."""
    told = json.loads((RUN / "models.json").read_text())
    catalog = Catalog()
    for name in catalog.names("models"):
        model = catalog.model(name)
        small = told["lab-eye.gguf" if "mmproj" in name else "lab-tiny.gguf"]
        source = {"pull": model.pull, "bytes": small["bytes"]} if model.pull else {"file": model.file, **small}
        shape = {"architecture": SHAPE} if model.architecture else {}
        _put("models", name, {**source, **shape})
    for name in catalog.names("services"):
        service = catalog.service(name)
        images = {kind: named(image) for kind, image in service.image.items()}
        if images != service.image:
            _put("services", name, {**service.model_dump(mode="json", exclude_unset=True), "image": images})


def _put(kind: str, name: str, entry: Mapping[str, object]) -> None:
    (CATALOG / kind).mkdir(parents=True, exist_ok=True)
    replace(CATALOG / kind / f"{name}.yaml", yaml.safe_dump(dict(entry)))


def settings() -> dict[str, dict[str, Any]]:
    """What hosts shall run, by their names: data for inventory/lab.py."""
    return json.loads(DATA.read_text()) if DATA.exists() else {}


def give(host: str, role: str, **data: Any) -> None:
    """The settings of a host, in place of those of the stack `starter`."""
    write()
    told = {"x_role": role, "catalog": str(CATALOG), "bind": "0.0.0.0", **data}
    replace(DATA, json.dumps({**settings(), host: told}, indent=1))
