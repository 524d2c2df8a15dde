"""The lock as a file: YAML, the same bytes for the same lock."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml

from ..errors import Problem, Refused
from ..schema import Lock, read
from . import parsed, text_of

HEAD = (
    "# Written by `gpufleet lock`, which changes it, too: what names of models and images stood for. Keep it in git.\n"
)


def lock(path: Path) -> Lock:
    """What is locked; nothing where there is no file. Raises Refused."""
    if path.is_dir():
        raise Refused(Problem(str(path), "is a directory", "name a file with the setting `lock`"))
    return _lock(text_of(path), str(path)) if path.is_file() else Lock()


def text(lock: Lock) -> str:
    """The file of a lock."""
    told = {"version": lock.version, **lock.model_dump(mode="json", exclude_defaults=True)}
    return HEAD + yaml.safe_dump(told, sort_keys=True, width=200)


@lru_cache(maxsize=8)
def _lock(content: str, where: str) -> Lock:
    # Every model of every host asks.
    if "\n<<<<<<< " in f"\n{content}":
        fix = "take one side of each, then run `gpufleet lock INVENTORY`"
        raise Refused(Problem(where, "has merge conflict markers", fix))
    return read(Lock, parsed(content, where), where)
