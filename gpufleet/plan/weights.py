"""Models by the names that a stack has for them, as the lock knows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import Problem
from ..schema import Lock, Model


@dataclass(frozen=True)
class Weights:
    """A model by the name that the stack has for it."""

    name: str
    model: Model


def locked(model: Model, lock: Lock) -> Model:
    """``model`` with the commit, the files and the numbers that the lock has of it; as it is, where it has none."""
    entry = lock.models.get(model.key)
    if entry is None:
        return model
    return model.model_copy(
        update={
            "revision": entry.revision,
            "files": entry.files,
            "bytes": sum(piece.bytes for piece in entry.files.values()),
            "gated": entry.gated,
            "architecture": model.architecture or entry.architecture,
            "licence": model.licence or entry.licence,
        }
    )


def unlocked(weights: Iterable[Weights], file: str) -> list[Problem]:
    """A line for each model of which nobody knows yet what its bytes are."""
    fix = "run `gpufleet lock INVENTORY`, and commit the file"
    found = {w.name: w.model.key for w in weights if not w.model.locked}
    return [Problem(f"models/{name}", f"{key} is not in {file}", fix) for name, key in found.items()]


def together(weights: Iterable[Weights]) -> list[Problem]:
    """A line for each two models that would have one name on the host, and other bytes."""
    first: dict[str, Weights] = {}
    found: dict[str, Problem] = {}
    for w in weights:
        other = first.setdefault(w.model.at, w)
        digests = {other.model.digest, w.model.digest} - {None}  # of one that is not locked yet nobody knows
        if w.model.at and len(digests) > 1:
            what = f"{w.model.at} is the file of {other.name}, too, with other bytes"
            found[w.name] = Problem(f"models/{w.name}", what, "choose another model, or tier, for one of them")
    return [*found.values()]
