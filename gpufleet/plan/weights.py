"""Models by the names that a stack has for them, as the lock knows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..catalog import Catalog
from ..catalog.lockfile import lock as lock_at
from ..errors import Problem, Refused, choose
from ..schema import Lock, LockedPull, Model, Service, Settings, Stack


@dataclass(frozen=True)
class Weights:
    """A model by the name that the stack has for it. ``pull``: what the lock has of one that Ollama knows by a name."""

    name: str
    model: Model
    pull: LockedPull | None = None


def declared(where: str, name: str, stack: Stack, settings: Settings, catalog: Catalog, service: Service) -> Weights:
    """The model that ``stack`` calls ``name``, or the settings have in its place, as the lock knows it."""
    if name not in stack.models:
        raise Refused(Problem(where, f"the stack has no model '{name}'", choose(name, stack.models)))
    chosen = settings.models.get(name, stack.models[name])
    try:
        model, known = chosen if isinstance(chosen, Model) else catalog.model(chosen), lock_at(Path(settings.lock))
    except Refused as refused:
        where = f"group_data/models/{name}"
        raise Refused(*(Problem(f"{where} -> {p.where}", p.what, p.fix) for p in refused.problems)) from None
    pull = known.pulls.get(model.pull or "") if service.library else None
    return Weights(name, model if model.locked else locked(model, known), pull)


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
            "family": model.family or entry.family,
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


def asked_by(model: Model, own: bool) -> str | None:
    """The name by which a program asks for it; ``own``: it is given its folders as what it would fetch."""
    return model.pull or (model.repo if own and not model.file else None)
