"""Wanted: what a host shall run as far as settings and catalog say, before any fact is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog import Catalog
from ..errors import Problem, Refused, choose
from ..schema import Model, Service, Settings, Stack, StackService, read

ROLES = ("cpu", "single_gpu")


@dataclass(frozen=True)
class WantedService:
    """A service of the stack with its catalog entry, its options and its model."""

    name: str
    entry: StackService
    service: Service
    options: Mapping[str, Any]
    model_name: str | None
    model: Model | None
    publish: int | None


@dataclass(frozen=True)
class Wanted:
    """All a plan needs beside the facts."""

    role: str
    stack: str
    settings: Settings
    services: tuple[WantedService, ...]

    @property
    def models_dir(self) -> str:
        return f"{self.settings.data_root}/models"

    def model_path(self, model: Model) -> str:
        return f"{self.models_dir}/{model.file}"

    @property
    def model_paths(self) -> tuple[str, ...]:
        return tuple(sorted({self.model_path(s.model) for s in self.services if s.model}))


def want(groups: list[str], data: Mapping[str, Any]) -> Wanted:
    """Settings ``data`` of a host in inventory ``groups``; raises Refused with all that is wrong."""
    settings = read(Settings, data, "group_data")
    role = _role(groups)
    if settings.catalog and not Path(settings.catalog).is_dir():
        raise Refused(Problem("group_data/catalog", f"'{settings.catalog}' is no folder", "check the path"))
    catalog = Catalog(*([Path(settings.catalog)] if settings.catalog else []))
    try:
        stack = catalog.stack(settings.stack)
    except Refused as refused:
        raise _seen_from("group_data/stack", refused) from None
    name = Path(settings.stack).stem
    _known_names(stack, settings)
    _known_roles(name, stack, role)
    services = tuple(_service(name, key, stack, settings, catalog) for key in stack.services if _runs(stack, key, role))
    _check_order(name, services)
    return Wanted(role=role, stack=name, settings=settings, services=services)


def _role(groups: list[str]) -> str:
    roles = sorted({g for g in groups if g in ROLES})  # a connector lists its groups twice
    if len(roles) == 1:
        return roles[0]
    found = f"is in the groups {' and '.join(roles)}" if roles else "is in no role group"
    raise Refused(Problem("inventory", f"the host {found}", f"put it in exactly one of: {', '.join(ROLES)}"))


def _seen_from(where: str, refused: Refused) -> Refused:
    return Refused(*(Problem(f"{where} -> {p.where}", p.what, p.fix) for p in refused.problems))


def _known_names(stack: Stack, settings: Settings) -> None:
    services, models = list(stack.services), list(stack.models)
    pairs = [("options", k, services) for k in settings.options] + [("ports", k, services) for k in settings.ports]
    pairs += [("models", k, models) for k in settings.models]
    problems = [
        Problem(f"group_data/{setting}/{key}", f"the stack {settings.stack} has no such name", choose(key, known))
        for setting, key, known in pairs
        if key not in known
    ]
    if problems:
        raise Refused(*problems)


def _known_roles(name: str, stack: Stack, role: str) -> None:
    problems = [
        Problem(f"stacks/{name}/services/{key}/roles", f"there is no role '{role}'", choose(role, ROLES))
        for key, entry in stack.services.items()
        for role in entry.roles
        if role not in ROLES
    ]
    if not problems and not any(_runs(stack, key, role) for key in stack.services):
        problems = [
            Problem(f"stacks/{name}", f"no service of it runs as {role}", "add the role to one, or choose another")
        ]
    if problems:
        raise Refused(*problems)


def _runs(stack: Stack, key: str, role: str) -> bool:
    roles = stack.services[key].roles
    return not roles or role in roles


def _service(stack_name: str, key: str, stack: Stack, settings: Settings, catalog: Catalog) -> WantedService:
    entry, where = stack.services[key], f"stacks/{stack_name}/services/{key}"
    try:
        service = catalog.service(entry.service)
    except Refused as refused:
        raise _seen_from(where, refused) from None
    model_name, model = _model(where, entry, service, stack, settings, catalog)
    publish = settings.ports.get(key, entry.publish)
    return WantedService(
        key, entry, service, _options(where, key, entry, service, settings), model_name, model, publish
    )


def _model(
    where: str, entry: StackService, service: Service, stack: Stack, settings: Settings, catalog: Catalog
) -> tuple[str | None, Model | None]:
    if entry.model is None:
        if service.needs_model:
            raise Refused(
                Problem(
                    where,
                    f"{entry.service} needs a model",
                    "add `model: NAME` with a name of the stack's models",
                )
            )
        return None, None
    if entry.model not in stack.models:
        raise Refused(
            Problem(f"{where}/model", f"the stack has no model '{entry.model}'", choose(entry.model, stack.models))
        )
    chosen = settings.models.get(entry.model, stack.models[entry.model])
    if isinstance(chosen, Model):
        return entry.model, chosen
    try:
        return entry.model, catalog.model(chosen)
    except Refused as refused:
        raise _seen_from(f"group_data/models/{entry.model}", refused) from None


def _options(where: str, key: str, entry: StackService, service: Service, settings: Settings) -> dict[str, Any]:
    options = dict(service.options)
    for source, given in (
        (f"{where}/options", entry.options),
        (f"group_data/options/{key}", settings.options.get(key, {})),
    ):
        for name, value in given.items():
            if name not in service.options:
                raise Refused(
                    Problem(
                        f"{source}/{name}",
                        f"{entry.service} has no such option",
                        choose(name, service.options),
                    )
                )
            default = service.options[name]
            if type(value) is not type(default):
                kind = type(default).__name__
                raise Refused(
                    Problem(f"{source}/{name}", f"{value!r} is not of type {kind}", f"write it like {default!r}")
                )
            if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value < 2**31:
                raise Refused(Problem(f"{source}/{name}", f"{value} is out of range", f"write a number like {default}"))
            options[name] = value
    return options


def _check_order(stack: str, services: tuple[WantedService, ...]) -> None:
    """Refuse dependencies on what does not run here, and cycles."""
    needs = {s.name: set(s.entry.depends_on) for s in services}
    for name, others in needs.items():
        for other in sorted(others - needs.keys()):
            where = f"stacks/{stack}/services/{name}/depends_on"
            fix = choose(other, needs.keys() - {name}) if len(needs) > 1 else "leave it out"
            raise Refused(Problem(where, f"'{other}' does not run here", fix))
    while needs:
        ready = [n for n, others in needs.items() if not others & needs.keys()]
        if not ready:
            where = f"stacks/{stack}/services"
            raise Refused(
                Problem(where, f"{', '.join(sorted(needs))} wait for each other", "break the cycle in depends_on")
            )
        needs = {n: others for n, others in needs.items() if n not in ready}
