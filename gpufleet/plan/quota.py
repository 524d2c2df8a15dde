"""The limit that models have: what takes what of it, and what could go."""

from __future__ import annotations

from collections.abc import Iterable

from ..schema import Finding, HostFacts, Plan
from .fetch import by_programs, left
from .finding import block, either, warn
from .ledger import mib
from .unused import unused
from .wanted import Wanted

MOST = 6  # named


def over(plan: Plan, wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    """Refuse what would make models take more than they may; where nothing is to come, and they do, say so."""
    allowed = wanted.settings.models_max_mib
    total = mib(facts.stored.get("models", 0))
    coming = mib(sum({d.digest: left(d, facts.present) for d in plan.downloads}.values()) + by_programs(wanted, facts))
    if allowed is None or total + coming <= allowed:
        return
    held = {path: mib(size) for path, size in facts.stored.items() if path != "models" and size >= 1 << 20}
    free = () if plan.unclear else tuple(unused(plan, held))
    parts = [f"{held[p]} {p.removeprefix('models/')}{' (unused)' * (p in free)}" for p in _largest(held)]
    told = [*([f"{coming} to come"] if coming else []), *parts[:MOST], *(["..."] if parts[MOST:] else [])]
    what = f"models {'would ' * bool(coming)}take {total + coming} MiB of {allowed}: {', '.join(told)}"
    fix = [*([f"delete what nothing uses (gpufleet.deploys.purge): {', '.join(free)}"] if free else []), "raise it"]
    yield (block if coming else warn)("HOST-QUOTA", "group_data/models_max_mib", what, either(fix))


def _largest(held: dict[str, int]) -> list[str]:
    return sorted(held, key=lambda path: (-held[path], path))
