"""Names that settings and a stack use for each other's entries: each must be known."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ..catalog import Catalog
from ..errors import Problem, Refused, choose
from ..schema import Licence, Model, Settings, Stack
from .roles import PARTS, ROLES, Duty

AUTO = "auto"  # of tiers: the largest that fits
Named = tuple[str, str, Collection[str]]


def check(name: str, stack: Stack, settings: Settings, doing: Duty, secrets: Collection[str]) -> None:
    """Raises Refused with every name that is not known."""
    named = (
        *_in_settings(stack, settings, secrets),
        *_in_tiers(f"stacks/{name}", stack),
        *_in_services(f"stacks/{name}", stack),
    )
    problems = [
        Problem(f"{where}/{word}", f"the stack {settings.stack} has no such name", choose(word, known))
        for where, word, known in named
        if word not in known
    ]
    problems += [*_roles(f"stacks/{name}", stack), *_choices(stack, settings, doing.role)]
    if not problems and not any(_runs(entry.roles, doing) for entry in stack.services.values()):
        fix, where = "add the role to one, or choose another", [doing.role, *doing.parts]
        problems = [Problem(f"stacks/{name}", f"no service of it runs as {' and '.join(where)}", fix)]
    if problems:
        raise Refused(*problems)


def _runs(names: Collection[str], doing: Duty) -> bool:
    """Whether a host with these duties may run a service that has these ``names`` as its roles."""
    roles, parts = {*names} & {*ROLES}, {*names} & {*PARTS}
    return (not roles or doing.role in roles) and (not parts or doing.whole or bool(parts & {*doing.parts}))


def check_accept(settings: Settings, catalog: Catalog) -> None:
    """Refuse names of licences that nothing of the catalog is under, nor a model of the settings."""
    if not settings.accept:
        return  # reading all of the catalog takes its time
    licences = (
        *(catalog.service(name).licence for name in catalog.names("services")),
        *(catalog.model(name).licence for name in catalog.names("models")),
        *(model.licence for model in settings.models.values() if isinstance(model, Model)),
    )
    known = {licence.name for licence in licences if isinstance(licence, Licence)}
    if wrong := [name for name in settings.accept if name not in known]:
        what = "nothing in the catalog is under such a licence"
        raise Refused(*(Problem(f"group_data/accept/{name}", what, choose(name, known)) for name in wrong))


def check_lock(settings: Settings) -> None:
    """Refuse a lock that is given, and not there; without the setting there may be none."""
    if "lock" in settings.model_fields_set and not Path(settings.lock).exists():
        fix = "run `gpufleet lock INVENTORY`, which writes it, or check the path"
        raise Refused(Problem("group_data/lock", f"there is no file '{settings.lock}'", fix))


def _in_settings(stack: Stack, settings: Settings, secrets: Collection[str]) -> Iterator[Named]:
    for setting in ("services", "options", "cards", "external"):
        yield from ((f"group_data/{setting}", key, stack.services) for key in getattr(settings, setting))
    further = (f"{key}/{port}" for key, entry in stack.services.items() for port in entry.publish_more)
    shares = (f"{key}/share" for key, entry in stack.services.items() if entry.share)
    ports = (*stack.services, *further, *shares)
    yield from (("group_data/ports", key, ports) for key in settings.ports)
    yield from (("group_data/models", key, stack.models) for key in settings.models)
    yield from (("group_data/secrets", key, secrets) for key in settings.secrets)


def _in_tiers(where: str, stack: Stack) -> Iterator[Named]:
    for tier, told in stack.tiers.items():
        here = f"{where}/tiers/{tier}"
        yield from ((f"{here}/models", key, stack.models) for key in told.models)
        yield from ((f"{here}/options", key, stack.services) for key in told.options)
        yield from ((f"{here}/without", key, stack.services) for key in told.without)


def _in_services(where: str, stack: Stack) -> Iterator[Named]:
    for key, entry in stack.services.items():
        yield from ((f"{where}/services/{key}/modes", mode, stack.modes) for mode in entry.modes)


def _roles(where: str, stack: Stack) -> Iterator[Problem]:
    for key, entry in stack.services.items():
        for role in entry.roles:
            if role not in (*ROLES, *PARTS):
                fix = choose(role, (*ROLES, *PARTS))
                yield Problem(f"{where}/services/{key}/roles", f"there is no role '{role}'", fix)


def _choices(stack: Stack, settings: Settings, role: str) -> Iterator[Problem]:
    """A tier and a mode that the stack does not have."""
    tier, mode = settings.tier, settings.dual_gpu_mode
    if tier != AUTO and tier not in stack.tiers:
        fix = choose(tier, [AUTO, *stack.tiers] if stack.tiers else [])
        yield Problem("group_data/tier", f"the stack {settings.stack} has no tier '{tier}'", fix)
    # Said for all hosts it is no mistake on those of another role whose stack has no modes.
    if mode is not None and mode not in stack.modes and (stack.modes or role == "dual_gpu"):
        what = f"the stack {settings.stack} has no mode '{mode}'"
        yield Problem("group_data/dual_gpu_mode", what, choose(mode, stack.modes))
