"""A lock that was, and what is needed now: the next lock, and what differs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ...catalog.lockfile import text
from ...deploys.given import value
from ...errors import Problem, Refused
from ...plan.fetch import mirrored
from ...schema import Lock, LockedModel, LockedPull
from ..words import size
from . import registry
from .hub import Hub
from .needs import Need, Needs

KINDS = ("models", "pulls", "images")
# Requests at a time.
TOGETHER = 8
Key = tuple[str, str]
Entries = Mapping[Key, Any]


def entries(locked: Lock) -> dict[Key, Any]:
    """All of a lock by kind and key."""
    return {(kind, key): entry for kind in KINDS for key, entry in getattr(locked, kind).items()}


def found(needs: Needs, keep: Entries) -> tuple[dict[Key, Any], list[Problem]]:
    """What is needed: as it is in ``keep``, or as its source has it now; and what could not be found out."""
    ask = [need for key, need in sorted(needs.items()) if key not in keep]
    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = dict(zip(((n.kind, n.key) for n in ask), pool.map(_looked_up, ask), strict=True))
    problems = [p for answer in answers.values() if isinstance(answer, Refused) for p in answer.problems]
    got = {key: answer for key, answer in answers.items() if not isinstance(answer, Refused)}
    return {**{key: keep[key] for key in needs if key in keep}, **got}, problems


def _looked_up(need: Need) -> LockedModel | LockedPull | str | Refused:
    mirrors = need.settings.mirrors
    try:
        if need.model:
            source = need.settings.secrets.get("HF_TOKEN")
            return Hub(mirrors.huggingface, value(source) if source else None).model(need.where, need.model)
        if need.kind == "pulls":
            return registry.pull(need.where, need.key, mirrors.ollama)
        return registry.image(need.where, mirrored(need.key, mirrors.registry))
    except Refused as refused:
        return refused


def write(path: Path, of: Entries) -> None:
    """The file, whole or not at all. Raises OSError."""
    locked = Lock.model_validate({kind: {k: entry for (its, k), entry in of.items() if its == kind} for kind in KINDS})
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8") as file:
        try:
            file.write(text(locked))
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def told(old: Entries, new: Entries) -> list[str]:
    """A line for all that differs."""
    added = [f"added    {key[1]}  {_short(new[key])}" for key in sorted(new.keys() - old.keys())]
    both = sorted(new.keys() & old.keys())
    changed = [f"changed  {key[1]}  {_short(old[key])} -> {_short(new[key])}" for key in both if old[key] != new[key]]
    return [*added, *changed, *(f"removed  {key[1]}" for key in sorted(old.keys() - new.keys()))]


def _short(entry: LockedModel | LockedPull | str) -> str:
    """An entry for people: what tells it from another, and how large it is."""
    if isinstance(entry, str):
        return entry.removeprefix("sha256:")[:12]
    if isinstance(entry, LockedPull):
        return f"{entry.digest[:12]} ({size(entry.bytes)})"
    count, total = len(entry.files), sum(piece.bytes for piece in entry.files.values())
    return f"{entry.revision[:12]} ({count} file{'s' * (count != 1)}, {size(total)}{', gated' * entry.gated})"
