"""What earlier stacks, services and models left on a host: no service of the plan has it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..errors import Problem, choose
from ..schema import Plan


def unused(plan: Plan, stored: Mapping[str, int]) -> dict[str, int]:
    """Bytes by path below data_root, the largest first, of what is in ``stored`` and not the plan's."""
    ours = [path.removeprefix(f"{plan.root}/") for path in _paths(plan)]
    left = {path: size for path, size in stored.items() if not any(f"{mine}/".startswith(f"{path}/") for mine in ours)}
    return dict(sorted(left.items(), key=lambda pair: (-pair[1], pair[0])))


def _paths(plan: Plan) -> list[str]:
    mounted = [m.source for s in plan.services for m in s.mounts]
    return [*mounted, *(d.path for d in plan.directories), *(d.path for d in plan.downloads)]


def refusals(names: Collection[str], left: Mapping[str, int], stored: Mapping[str, int]) -> list[Problem]:
    """Names of what cannot be deleted: it is in use, or not there."""
    used = [
        Problem(f"delete/{n}", "a service of the plan has it", "leave it out")
        for n in names
        if n in stored.keys() - left
    ]
    away = [Problem(f"delete/{n}", "is not there", choose(n, left)) for n in names if n not in stored]
    return [*used, *away]
