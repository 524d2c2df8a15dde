"""Which files of a repository a model is made of."""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from ..errors import Problem, Refused, choose
from ..schema import Model
from ..schema.model import FILE

# Nothing loads these; what begins with a dot neither.
NEVER = ("README*", "LICENSE*", "*.md", "*.png", "*.jpg", "*.jpeg", "*.gif", "*.webp", "*.svg", "*.pdf")
# The same weights once more, where there are safetensors.
TWICE = ("*.bin", "*.pth", "*.pt", "*.msgpack", "*.h5", "*.ot", "*.onnx", "*.gguf")
TWICE_IN = ("original", "onnx", "openvino")
MANY = 12


def selected(where: str, model: Model, names: Collection[str]) -> tuple[str, ...]:
    """The files to take of ``names``, all that the repository has, sorted; raises Refused.

    ``file``, or all that match ``only``; else what an engine loads: safetensors where there are some, and all beside
    them but the same weights in other formats, pictures and texts for people.
    """
    if model.file:
        found = [_there(where, model, model.file, names)]
    elif model.only:
        found = [name for pattern in model.only for name in _matching(where, model, pattern, names)]
    else:
        found = _loaded(where, model, names)
    for name in found:
        if not re.fullmatch(FILE, name):
            what = f"{model.key} has the file {name!r}, which no host would take"
            raise Refused(Problem(where, what, "choose the files that you need with `only`"))
    return tuple(sorted(set(found)))


def _there(where: str, model: Model, name: str, names: Collection[str]) -> str:
    if name in names:
        return name
    raise Refused(Problem(where, f"{_of(model)} has no file '{name}'", _choose(name, names)))


def _matching(where: str, model: Model, pattern: str, names: Collection[str]) -> list[str]:
    if found := [name for name in names if fnmatchcase(name, pattern)]:
        return found
    raise Refused(Problem(where, f"no file of {_of(model)} is like '{pattern}'", _choose(pattern, names)))


def _loaded(where: str, model: Model, names: Collection[str]) -> list[str]:
    found = [name for name in names if not name.startswith(".") and not _like(name, NEVER)]
    if any(name.endswith(".safetensors") for name in found):
        return [n for n in found if not _like(n, TWICE) and PurePosixPath(n).parts[0] not in TWICE_IN]
    files = [name for name in found if name.endswith(".gguf")]
    if len(files) > 1:
        what = f"{_of(model)} has {len(files)} files .gguf, each a model of its own or a part of one"
        raise Refused(Problem(where, what, "name one with `file`, or those of one with `only`"))
    if not found:
        raise Refused(Problem(where, f"{_of(model)} has no file that an engine loads", "name the files with `only`"))
    return found


def _like(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name.rpartition("/")[2], pattern) for pattern in patterns)


def _of(model: Model) -> str:
    return f"{model.repo}@{model.revision or 'main'}"


def _choose(word: str, names: Collection[str]) -> str:
    """As for any word, but a repository may have hundreds of files."""
    fix = choose(word, names)
    return fix if len(names) <= MANY or fix.startswith("did") else "look up its files at its page"
