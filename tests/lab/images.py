"""Images under the names that the catalog uses, made of Debian's packages and PyPI's.

Redis, LiteLLM and llama.cpp's server are the real programs. The `cuda` image holds the same CPU program under the other
tag, and says so in a label: a lab has no card that could compute.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpufleet.catalog import Catalog

from . import registry
from .shell import cached, run, step
from .trees import image_tree, llama_tree, overlay
from .wheels import LITELLM, install


@dataclass(frozen=True)
class Recipe:
    """How an image is made: a tree, perhaps a layer over it, and the image's configuration."""

    config: dict[str, object]
    tree: Callable[[], Path] = image_tree
    layer: Callable[[Path], None] | None = None
    version: str = ""


def _litellm(folder: Path) -> None:
    """The gateway for the Python of the common tree, compiled beforehand as upstream's image is."""
    with overlay(image_tree(), folder / "build") as root:
        target = root / "opt/litellm"
        install(target, *LITELLM, python="3.13")
        program = root / "usr/bin/litellm"
        program.write_text("#!/usr/bin/python3\nfrom litellm import run_server\nrun_server()\n")
        program.chmod(0o755)
        run("chroot", root, "python3", "-m", "compileall", "-q", "-j", str(os.cpu_count()), "/opt/litellm", check=False)
    (folder / "build" / "upper").rename(folder / "layer")


RECIPES = {
    "docker.io/library/redis": Recipe({"Cmd": ["redis-server"], "WorkingDir": "/data", "Volumes": {"/data": {}}}),
    "ghcr.io/berriai/litellm": Recipe(
        {"Entrypoint": ["litellm"], "Env": ["PYTHONPATH=/opt/litellm"], "WorkingDir": "/tmp"},
        layer=_litellm,
        version=" ".join(LITELLM),
    ),
    "ghcr.io/ggml-org/llama.cpp": Recipe({"Entrypoint": ["/app/llama-server"], "WorkingDir": "/app"}, tree=llama_tree),
}


def wanted() -> list[str]:
    """Every image that a service of the catalog names."""
    catalog = Catalog()
    return sorted({image for name in catalog.names("services") for image in catalog.service(name).image.values()})


def push() -> list[str]:
    """Put the catalog's images into the registry; those that are there already cost one question each."""
    images = wanted()
    for image in images:
        repository, _, tag = image.rpartition(":")
        recipe = RECIPES[repository]
        path = repository.split("/", 1)[1]
        mark = json.dumps([recipe.config, recipe.version, str(recipe.tree()), registry.FORMAT])
        if registry.mark_of(path, tag) != mark:
            with step(f"image {image}"):
                layers = [recipe.tree(), *([_layer(path, recipe)] if recipe.layer else [])]
                stand_in = {"org.gpufleet.lab": "stand-in: a CPU program"} if "cuda" in tag or "rocm" in tag else {}
                registry.push(path, tag, layers, recipe.config, {registry.MARK: mark, **stand_in})
    return images


def _layer(path: str, recipe: Recipe) -> Path:
    assert recipe.layer
    return cached(f"layer-{path.replace('/', '-')}", recipe.version + str(image_tree()), recipe.layer) / "layer"
