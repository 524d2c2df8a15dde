"""What earlier stacks, services and models left on a host: no service of the plan has it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ..errors import Problem, choose
from ..schema import Plan


def unused(plan: Plan, stored: Mapping[str, int]) -> dict[str, int]:
    """Bytes by path below data_root, the largest first, of what is in ``stored`` and not the plan's."""
    ours = _paths(plan)
    left = {path: size for path, size in stored.items() if not has(plan, path, ours)}
    return dict(sorted(left.items(), key=lambda pair: (-pair[1], pair[0])))


def has(plan: Plan, path: str, wanted: Iterable[str]) -> bool:
    """Whether one of ``wanted``, absolute, is what lies at ``path`` below data_root, or in it."""
    return any(f"{mine}/".startswith(f"{plan.root}/{path}/") for mine in wanted)


def _paths(plan: Plan) -> list[str]:
    mounted = [m.source for s in plan.services for m in s.mounts]
    return [*mounted, *(d.path for d in plan.directories), *(d.path for d in plan.downloads), *_incoming(plan)]


def _incoming(plan: Plan) -> Iterable[str]:
    """What the fetcher goes on with: a part, what Xet writes beside it, a folder that it puts together."""
    for d in plan.downloads:
        yield from (d.part, f"{d.part}.xet")
        if d.folder:
            yield f"{plan.models_dir}/.incoming/{plan.below_models(d.folder)}"


def named(delete: str, stored: Collection[str]) -> list[str]:
    """The names in ``delete``, with commas between them; the name of what is there may have commas, too.

    >>> named("models/a,b.gguf,models/c,models/d", ["models/a,b.gguf", "models/c"])
    ['models/a,b.gguf', 'models/c', 'models/d']
    """
    parts, found = [part for part in delete.split(",") if part], []
    while parts:
        many = next((n for n in range(len(parts), 1, -1) if ",".join(parts[:n]) in stored), 1)
        found.append(",".join(parts[:many]))
        parts = parts[many:]
    return found


def refusals(names: Collection[str], left: Mapping[str, int], stored: Mapping[str, int]) -> list[Problem]:
    """Names of what cannot be deleted: it is in use, or not there."""
    used = [
        Problem(f"delete/{n}", "a service of the plan has it", "leave it out")
        for n in names
        if n in stored.keys() - left
    ]
    away = [Problem(f"delete/{n}", "is not there", choose(n, left)) for n in names if n not in stored]
    return [*used, *away]
