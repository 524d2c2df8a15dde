"""A lock that was, and what is needed now: the next lock, and what differs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ...catalog.lockfile import text
from ...deploys.given import token
from ...errors import Problem, Refused
from ...plan.fetch import mirrored
from ...plan.wanted import TOKEN
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


def stale(path: Path, needs: Needs, locked: Lock) -> list[str]:
    """A line for all that is missing in the lock at ``path``, and all that nobody needs."""
    there = _entries(locked)
    missing = [f"missing  {key[1]} in {path}" for key in sorted(needs.keys() - there.keys())]
    return [*missing, *(f"unused   {key[1]} in {path}" for key in sorted(there.keys() - needs.keys()))]


def renewed(path: Path, needs: Needs, locked: Lock, again: Callable[[Need], bool]) -> tuple[list[str], list[Problem]]:
    """Write the lock for ``needs``; what is locked stays, but where it is to be looked up ``again``.

    Returns a line for all that differs, and what could not be looked up, or written: that is as it was.
    """
    old = _entries(locked)
    found, problems = _found([need for key, need in sorted(needs.items()) if key not in old or again(need)])
    new = {key: entry for key, entry in {**old, **found}.items() if key in needs}
    try:
        if new != old:
            _write(path, new)
    except OSError as error:
        what, fix = f"cannot be written: {error.strerror}", "check the setting `lock`"
        return [], [*problems, Problem(str(path), what.lower(), fix)]
    same = [] if problems else [f"{path}: nothing to change"]
    return _differing(old, new) or same, problems


def _entries(locked: Lock) -> dict[Key, Any]:
    """All of a lock by kind and key."""
    return {(kind, key): entry for kind in KINDS for key, entry in getattr(locked, kind).items()}


def _found(needs: list[Need]) -> tuple[dict[Key, Any], list[Problem]]:
    """What is at the sources now, and what could not be found out."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = {(n.kind, n.key): answer for n, answer in zip(needs, pool.map(_looked_up, needs), strict=True)}
    problems = [p for answer in answers.values() if isinstance(answer, Refused) for p in answer.problems]
    return {key: answer for key, answer in answers.items() if not isinstance(answer, Refused)}, problems


def _looked_up(need: Need) -> LockedModel | LockedPull | str | Refused:
    mirrors = need.settings.mirrors
    try:
        if need.model:
            source = need.settings.secrets.get(TOKEN)
            return Hub(mirrors.huggingface, token(TOKEN, source) if source else None).model(need.where, need.model)
        if need.kind == "pulls":
            return registry.pull(need.where, need.key, mirrors.ollama)
        return registry.image(need.where, mirrored(need.key, mirrors.registry))
    except Refused as refused:
        return refused


def _write(path: Path, of: Entries) -> None:
    """The file, whole or not at all; where it is a link, what it leads to. Raises OSError."""
    path = path.resolve()
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


def _differing(old: Entries, new: Entries) -> list[str]:
    """A line for all that differs."""
    added = [f"added    {key[1]}  {_short(new[key])}" for key in sorted(new.keys() - old.keys())]
    both = sorted(new.keys() & old.keys())
    changed = [f"changed  {key[1]}  {_turned(old[key], new[key])}" for key in both if old[key] != new[key]]
    return [*added, *changed, *(f"removed  {key[1]}" for key in sorted(old.keys() - new.keys()))]


def _turned(old: Any, new: Any) -> str:
    """What of an entry is another: of the same files it may be what is said of them."""
    found = [f"{_short(old)} -> {_short(new)}"] if _short(old) != _short(new) else []
    if isinstance(old, LockedModel):
        if old.licence != new.licence:
            found.append(f"licence {old.licence or 'none'} -> {new.licence or 'none'}")
        if old.architecture != new.architecture:
            found.append("other numbers for memory")
    return ", ".join(found) or "other files"


def _short(entry: LockedModel | LockedPull | str) -> str:
    """An entry for people: what tells it from another, and how large it is."""
    if isinstance(entry, str):
        return entry.removeprefix("sha256:")[:12]
    if isinstance(entry, LockedPull):
        return f"{entry.digest[:12]} ({size(entry.bytes)})"
    count, total = len(entry.files), sum(piece.bytes for piece in entry.files.values())
    return f"{entry.revision[:12]} ({count} file{'s' * (count != 1)}, {size(total)}{', gated' * entry.gated})"
