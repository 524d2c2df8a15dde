"""The stack that a host's services are of: with those that its fleet has beside it, and with a tier's models."""

from __future__ import annotations

from collections.abc import Collection

from ..catalog import Catalog
from ..errors import Problem, Refused
from ..schema import Settings, Stack
from .known import AUTO
from .roles import STACKS


def beside(name: str, stack: Stack, fleet: Collection[str], catalog: Catalog) -> tuple[Stack, dict[str, str]]:
    """The ``stack`` of this ``name`` with the services of those that a fleet has beside it, and whose these are.

    ``fleet``: the groups that its hosts are in. Raises Refused.
    """
    services, origins = dict(stack.services), dict[str, str]()
    for part in (part for part in STACKS if part in fleet and part != name):
        theirs = catalog.stack(part).services
        # The same program under the same name is one: the stack's own.
        more = {key: e for key, e in theirs.items() if key not in services or services[key].service != e.service}
        if both := sorted(more.keys() & services.keys()):
            what = f"both have a service {both[0]}, and the group {part} brings the one to the other"
            raise Refused(Problem(f"stacks/{name} and stacks/{part}", what, "name it otherwise in one"))
        services |= more
        origins |= dict.fromkeys(more, part)
    return stack.model_copy(update={"services": services}), origins


def tiers(stack: Stack, settings: Settings, role: str) -> list[str | None]:
    """The tiers to try, the largest first; of the role cpu the smallest: RAM holds more than a CPU can do."""
    if settings.tier != AUTO:
        return [settings.tier]
    names: list[str | None] = [*stack.tiers] or [None]
    return names[:1] if role == "cpu" else names[::-1]


def at_tier(stack: Stack, tier: str | None) -> Stack:
    """The stack with a tier's models and options."""
    if tier is None:
        return stack
    told = stack.tiers[tier]
    services = {
        key: entry.model_copy(update={"options": {**entry.options, **told.options.get(key, {})}})
        for key, entry in stack.services.items()
    }
    return stack.model_copy(update={"services": services, "models": {**stack.models, **told.models}})
