"""The catalog: all that grows, one file each. A user's own folder is searched before ours."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ..errors import Problem, Refused, choose
from ..schema import Distro, DriverFamily, FindingKind, Model, Noun, Service, Stack, read

OURS = Path(__file__).parent
NounT = TypeVar("NounT", bound=Noun)


class Catalog:
    """Services, models and stacks by name; ``roots`` are searched in order."""

    def __init__(self, *roots: Path) -> None:
        self.roots = (*roots, OURS)

    def service(self, name: str) -> Service:
        return self._entry(Service, "services", name)

    def model(self, name: str) -> Model:
        return self._entry(Model, "models", name)

    def stack(self, name: str) -> Stack:
        """A stack by name, or by the path of its file."""
        if name.endswith((".yaml", ".yml")):
            return read(Stack, _load(Path(name)), name)
        if "/" in name:
            raise Refused(Problem(name, "is not the name of a stack", "the path of a stack file ends in .yaml"))
        return self._entry(Stack, "stacks", name)

    def image(self, folder: str) -> dict[str, str]:
        """What an image is built of: text by path below ``images/FOLDER``."""
        for root in self.roots:
            if (at := root / "images" / folder).is_dir():
                return _texts_cached(at) if root == OURS else _texts(at)
        known = sorted({p.name for root in self.roots for p in (root / "images").glob("*")})
        raise Refused(Problem(f"images/{folder}", "is not in the catalog", choose(folder, known)))

    def names(self, kind: str) -> list[str]:
        return sorted({p.stem for root in self.roots for p in (root / kind).glob("*.yaml")})

    def _entry(self, noun: type[NounT], kind: str, name: str) -> NounT:
        for root in self.roots:
            if (path := root / kind / f"{name}.yaml").is_file():
                return _read_cached(noun, path) if root == OURS else read(noun, _load(path), str(path))
        raise Refused(Problem(f"{kind}/{name}", "is not in the catalog", choose(name, self.names(kind))))


@cache
def findings() -> dict[str, FindingKind]:
    """Every kind of finding by its id."""
    files = sorted((OURS / "findings").glob("*.yaml"))
    return {id_: read(FindingKind, entry, f"findings/{id_}") for file in files for id_, entry in _load(file).items()}


@cache
def driver_families() -> tuple[DriverFamily, ...]:
    """Families of NVIDIA's cards by their first PCI device id, in that order."""
    rows = _load(OURS / "vendors" / "nvidia_drivers.yaml")
    return tuple(read(DriverFamily, row, f"nvidia_drivers/{row['first']}") for row in rows)


@cache
def gfx_overrides() -> dict[str, dict[str, str]]:
    """By a compute target the one whose code runs on it, and the version that the runtime must be told."""
    return dict(_load(OURS / "vendors" / "gfx_overrides.yaml"))


@cache
def distro(id_: str) -> Distro | None:
    """A distribution by the ID of its os-release; None: it is not in the catalog."""
    path = OURS / "distros" / f"{id_}.yaml"
    return _read_cached(Distro, path) if path.is_file() else None


@cache
def _read_cached(noun: type[NounT], path: Path) -> NounT:
    return read(noun, _load(path), f"{path.parent.name}/{path.stem}")


def _texts(folder: Path) -> dict[str, str]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and "__pycache__" not in p.parts)
    return {p.relative_to(folder).as_posix(): text_of(p) for p in files}


_texts_cached = cache(_texts)


def _load(path: Path) -> Any:
    return parsed(text_of(path), str(path))


def parsed(text: str, where: str) -> Any:
    """What YAML holds; raises Refused."""
    try:
        return yaml.load(text, Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise Refused(malformed(where, error)) from None


def text_of(path: Path) -> str:
    """What a file holds; raises Refused."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise Refused(Problem(str(path), f"cannot be read: {reason}".lower(), "check the path")) from None


def malformed(file: str, error: yaml.YAMLError) -> Problem:
    """What is wrong with the YAML of a file, and where."""
    mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "is not YAML"
    where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
    return Problem(where, f"malformed YAML: {what}", "mend the line (indentation, colon, quotes)")


class _UniqueKeys(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml where it is: 10x faster
    """YAML lets a second key replace the first without a word; we do not."""


def unique(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    """The constructor of mappings without a key that is there twice; one that `<<` gives may be."""
    seen: set[Any] = set()
    for key_node in (k for k, _ in node.value if k.tag != "tag:yaml.org,2002:merge"):
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool | None) or key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate or odd key {key!r}", key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique)
