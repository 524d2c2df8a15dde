"""Images under the names that the catalog uses, made of Debian's packages and PyPI's.

Programs with a recipe are the real ones. The `cuda` image holds the same CPU program under the other tag, as a lab has
no card that could compute; the other programs are stand-ins. Both say so in a label.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpufleet.catalog import Catalog
from gpufleet.schema import Service

from . import registry, standins
from .shell import cached, run, step
from .trees import image_tree, llama_tree, overlay
from .wheels import LITELLM, install

# An archive's files have no time of their own, by which Python would know that what is compiled is of this source.
COMPILE = ("python3", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash")
# For reports of what was spent, which nobody asks for here; a quarter of the image.
UNUSED = ("polars", "_polars_runtime_32")


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
        for name in UNUSED:
            shutil.rmtree(target / name)
        jobs = ("-j", str(os.cpu_count()))
        run("chroot", root, *COMPILE, *jobs, "/usr/lib/python3.13", "/opt/litellm", check=False)
    (folder / "build" / "upper").rename(folder / "layer")


RECIPES = {
    "docker.io/library/python": Recipe({"Cmd": ["python3"]}),
    "docker.io/library/redis": Recipe({"Cmd": ["redis-server"], "WorkingDir": "/data", "Volumes": {"/data": {}}}),
    "ghcr.io/berriai/litellm": Recipe(
        {"Entrypoint": ["litellm"], "Env": ["PYTHONPATH=/opt/litellm"], "WorkingDir": "/tmp"},
        layer=_litellm,
        version=" ".join([*LITELLM, *COMPILE, *UNUSED]),
    ),
    "ghcr.io/ggml-org/llama.cpp": Recipe({"Entrypoint": ["/app/llama-server"], "WorkingDir": "/app"}, tree=llama_tree),
}


def wanted() -> dict[str, Recipe]:
    """Every image that a service of the catalog names, and how it is made here."""
    catalog, found = Catalog(), dict[str, Recipe]()
    for name in catalog.names("services"):
        service = catalog.service(name)
        # Nobody can make another image of the same digest.
        for image in (i for i in service.image.values() if "@" not in i):
            found[image] = RECIPES.get(image.rpartition(":")[0]) or _stand_in(name, service)
    return found


def _stand_in(name: str, service: Service) -> Recipe:
    return Recipe(standins.config(name, service), layer=standins.layer, version=standins.PROGRAM.read_text())


def push() -> list[str]:
    """Put the catalog's images into the registry; those that are there already cost one question each."""
    images = wanted()
    for image, recipe in images.items():
        repository, _, tag = image.rpartition(":")
        path = repository.split("/", 1)[1]
        mark = json.dumps([recipe.config, recipe.version, str(recipe.tree()), registry.FORMAT])
        if registry.mark_of(path, tag) != mark:
            with step(f"image {image}"):
                layers = [recipe.tree(), *([_layer(path, recipe)] if recipe.layer else [])]
                real = repository in RECIPES and not ("cuda" in tag or "rocm" in tag)
                stand_in = {} if real else {"org.gpufleet.lab": "stand-in"}
                registry.push(path, tag, layers, recipe.config, {registry.MARK: mark, **stand_in})
    return list(images)


def _layer(path: str, recipe: Recipe) -> Path:
    assert recipe.layer
    return cached(f"layer-{path.replace('/', '-')}", recipe.version + str(image_tree()), recipe.layer) / "layer"
