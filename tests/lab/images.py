"""Images under the names that the catalog uses, made of Debian's packages and PyPI's.

Programs with a recipe are the real ones. The `cuda` image holds the same CPU program under the other tag, as a lab has
no card that could compute; the other programs are stand-ins. Both say so in a label.
"""

from __future__ import annotations

from pathlib import Path

from gpufleet.catalog import Catalog
from gpufleet.schema import Accelerator, Service

from . import registry, standins
from .recipes import RECIPES, Recipe
from .shell import cached, step
from .trees import image_tree

STAND_IN = "org.gpufleet.lab.stand-in"


def wanted() -> dict[str, Recipe]:
    """Every image that a service of the catalog names, and how it is made here."""
    catalog, users = Catalog(), dict[str, dict[str, Service]]()
    for name in catalog.names("services"):
        service = catalog.service(name)
        for image in here(service).values():
            users.setdefault(image, {})[name] = service
    return {image: RECIPES.get(image.rpartition(":")[0]) or _stand_in(found) for image, found in users.items()}


def named(image: str) -> str:
    """The name by which an image can be made: nobody makes another one of the same digest."""
    return f"{image.rpartition('@')[0].rpartition(':')[0]}:lab" if "@" in image else image


def here(service: Service) -> dict[Accelerator, str]:
    """A service's images by accelerator, as the lab has them: what is built elsewhere stands in here."""
    built = {kind: f"docker.io/gpufleet/{build.name}:lab" for kind, build in service.build.items()}
    return {**{kind: named(image) for kind, image in service.image.items()}, **built}


def _stand_in(services: dict[str, Service]) -> Recipe:
    def layer(folder: Path) -> None:
        standins.layer(folder, services.values())

    version = standins.PROGRAM.read_text() + "".join(str(s.entrypoint) for s in services.values())
    return Recipe(standins.config(services), layer=layer, version=version, real=False)


def tree(repository: str) -> Path:
    """The root of a real program's image, as one lower folder of an overlay: its layers, the upper first."""
    recipe = RECIPES[repository]
    layers = [*([_layer(repository.split("/", 1)[1], recipe)] if recipe.layer else []), recipe.tree()]
    return Path(":".join(map(str, layers)))


def push() -> list[str]:
    """Put the catalog's images into the registry; those that are there already cost one question each."""
    images = wanted()
    for image, recipe in images.items():
        repository, _, tag = image.rpartition(":")
        path = repository.split("/", 1)[1]
        mark = recipe.mark + registry.FORMAT
        if registry.mark_of(path, tag) != mark:
            with step(f"image {image}"):
                layers = [recipe.tree(), *([_layer(path, recipe)] if recipe.layer else [])]
                real = recipe.real and not ("cuda" in tag or "rocm" in tag)
                stand_in = {} if real else {STAND_IN: "yes"}
                registry.push(path, tag, layers, recipe.config, {registry.MARK: mark, **stand_in})
    return list(images)


def _layer(path: str, recipe: Recipe) -> Path:
    assert recipe.layer
    return cached(f"layer-{path.replace('/', '-')}", recipe.version + str(image_tree()), recipe.layer) / "layer"
