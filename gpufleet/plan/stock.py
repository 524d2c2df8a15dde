"""(plan, facts, what is below the directory of models) -> HostStock: what it is, who uses it, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..errors import Problem
from ..schema import Held, HostFacts, HostStock, ModelStore, Plan, PlannedService
from ..schema.stock import What
from .unused import has, unused

FOUND: dict[str, What] = {"f": "file", "d": "folder", "l": "link"}


def digests(plan: Plan, store: ModelStore) -> dict[str, str]:
    """What files should have in them, by path below the directory of models: the plan's, and all that were found right
    and are as they were then."""
    planned = {plan.below_models(d.path): d.digest for d in plan.downloads}
    return {**{path: digest for path, digest in store.noted.items() if digest}, **planned}


def stock(plan: Plan, facts: HostFacts, store: ModelStore, read: Mapping[str, str] | None = None) -> HostStock:
    """The stock of a host; where a run would refuse it, or part of the plan is made after a reboot, what is unused is
    not known. ``read``: digests of files that were read again, empty of what cannot be."""
    known, read = digests(plan, store), read or {}
    right = {path: digest if digest == known[path] else "" for path, digest in read.items()}
    store = store.model_copy(update={"noted": {**store.noted, **right}})
    sure = not plan.unclear and not plan.provision.pending
    left = unused(plan, store.sizes)
    held = (_held(plan, store, path, path in left if sure else None) for path in store.sizes)
    return HostStock(
        state="blocked" if plan.blocked else "known",
        root=plan.root,
        held=tuple(sorted(held, key=lambda one: (-one.bytes, one.path))),
        bytes=store.bytes,
        # The models' own disk, where they have one, comes last.
        free_bytes=facts.disks[-1].free_mib << 20 if facts.disks else None,
        problems=tuple(map(str, plan.blocked)),
        wrong=tuple(map(str, _wrong(plan, known, read))),
    )


def _wrong(plan: Plan, known: Mapping[str, str], read: Mapping[str, str]) -> Iterator[Problem]:
    planned = {plan.below_models(d.path) for d in plan.downloads}
    for path, digest in sorted(read.items()):
        if not digest:
            yield Problem(f"models/{path}", "cannot be read", "look at what its host says of the disk")
        elif digest != known[path]:
            fix = "the next run sets it aside, and fetches it anew" if path in planned else "nothing uses it: delete it"
            yield Problem(f"models/{path}", "has other bytes than it should", fix)


def _held(plan: Plan, store: ModelStore, path: str, unused: bool | None) -> Held:
    what = _what(plan, store, path)
    return Held(
        path=path,
        what=what,
        bytes=store.sizes[path],
        services=tuple(s.name for s in plan.services if has(plan, path, (*s.files, *_mounted(s)))),
        verified=_verified(plan, store, path, what),
        unused=unused,
    )


def _what(plan: Plan, store: ModelStore, path: str) -> What:
    if path.startswith("models/.incoming/"):
        return "part"
    if path.endswith(".set-aside"):
        return "set-aside"
    if any(has(plan, path, _mounted(s)) for s in plan.services):
        return "store"
    return FOUND.get(store.kinds.get(path, ""), "other")


def _mounted(service: PlannedService) -> Iterable[str]:
    return (m.source for m in service.mounts)


def _verified(plan: Plan, store: ModelStore, path: str, what: What) -> bool | None:
    """Of the plan's files each with its digest; of others all that was ever noted of them."""
    if what in ("part", "set-aside"):
        return None
    wanted = {plan.below_models(d.path): d.digest for d in plan.downloads if has(plan, path, [d.path])}
    noted = {p: digest for p, digest in store.noted.items() if has(plan, path, [f"{plan.models_dir}/{p}"])}
    if not wanted and not noted:
        return None if what == "store" else False
    return all(noted.values()) and all(noted.get(p) == digest for p, digest in wanted.items())
