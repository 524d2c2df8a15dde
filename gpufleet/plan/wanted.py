"""Wanted: what a host shall run as far as settings and catalog say, before any fact is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..catalog import Catalog
from ..catalog.lockfile import lock
from ..errors import Problem, Refused
from ..schema import Service, Settings, Stack, StackService, read
from .chosen import elsewhere, on_others, unwanted
from .declared import check_card, check_models, check_order, check_ports, check_source, shared_port
from .known import check, check_accept, check_lock
from .library import called
from .options import options
from .roles import Duty, duty
from .stacks import at_tier, beside, tiers
from .weights import Weights, asked_by, declared, together, unlocked

TOKEN = "HF_TOKEN"


@dataclass(frozen=True, eq=False)
class WantedService:
    """A service of the ``stack`` with its catalog entry, its options and its models; equal to itself alone."""

    name: str
    entry: StackService
    service: Service
    stack: str
    options: Mapping[str, Any]
    residents: tuple[Weights, ...]
    on_demand: tuple[Weights, ...]
    publish: int | None
    publish_more: Mapping[str, int]
    share: tuple[int, int] | None = None  # port for other hosts, and the container's
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by folder what images are built of

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (*self.residents, *self.on_demand)

    @property
    def published(self) -> dict[str, int]:
        """Its ports on the host, by the names that the setting `ports` has for them."""
        more = {f"{self.name}/{port}": number for port, number in self.publish_more.items()}
        return {**({self.name: self.publish} if self.publish else {}), **more}

    @property
    def pulled(self) -> dict[str, str]:
        """By model the name by which its program fetches it, or has it, and answers for it."""
        own = any(step.each == "folder" for step in self.service.steps)
        known = {w.name: called(w.model) if self.service.library else asked_by(w.model, own) for w in self.weights}
        return {name: said for name, said in known.items() if said}

    @property
    def alone(self) -> dict[str, int]:
        """Bytes of the models that its program fetches by itself, by the names that it has for them."""
        return {w.model.pull: w.model.bytes for w in self.weights if w.model.pull and not w.pull}

    @property
    def started_with(self) -> Weights | None:
        """The one model of a program that has one."""
        return self.residents[0] if self.service.models == "one" else None

    @property
    def cards(self) -> int:
        """How many it wants, where it gets any: equal ones, each with its part of every model."""
        return int(self.options.get("tensor_parallel", 1))


@dataclass(frozen=True)
class Wanted:
    """All a plan needs beside the facts. ``smaller``: what to run instead where this does not fit, the next first.

    ``whole``: it runs all of its stack, not a part of a fleet's.

    ``externals``: services of the stack that run already, as the setting ``external`` says.
    ``below``: the next smaller tier. ``left_out``: by service of the stack that does not run here why not.
    ``free_mib``: by number of a card what its mode should find free; ``roles``: those that some services are only for;
    ``digests``: those of images that are locked, by their names.
    """

    role: str
    whole: bool
    stack: str
    settings: Settings
    services: tuple[WantedService, ...]
    externals: tuple[WantedService, ...] = ()
    tier: str | None = None
    below: str | None = None
    smaller: tuple[Wanted, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    mode: str | None = None
    free_mib: Mapping[int, int] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def models_dir(self) -> str:
        return f"{self.settings.data_root}/models"

    @property
    def own_weights(self) -> tuple[Weights, ...]:
        """All models of its services; those of smaller tiers are theirs."""
        return tuple(w for s in self.services for w in s.weights)


def want(
    groups: Collection[str], data: Mapping[str, Any], fleet: Collection[str] = (), locking: bool = False
) -> Wanted:
    """Settings ``data`` of a host in inventory ``groups``; raises Refused with all that is wrong.

    ``fleet``: the groups that any host of the inventory is in; ``locking``: models that the lock does not have stay as
    they are declared.
    """
    settings = read(Settings, data, "group_data")
    doing = duty(groups)
    if settings.catalog and not Path(settings.catalog).is_dir():
        raise Refused(Problem("group_data/catalog", f"'{settings.catalog}' is no folder", "check the path"))
    catalog = Catalog(*([Path(settings.catalog)] if settings.catalog else []))
    try:
        stack = catalog.stack(settings.stack)
    except Refused as refused:
        raise _seen_from("group_data/stack", refused) from None
    name = Path(settings.stack).stem
    stack, origins = beside(name, stack, {*fleet, *groups}, catalog)
    check(name, stack, settings, doing, _secrets(stack, catalog) if settings.secrets else ())
    check_accept(settings, catalog)
    first, *rest = (
        _wanted(name, stack, tier, doing, settings, catalog, origins) for tier in tiers(stack, settings, doing.role)
    )
    weights = [w for wanted in (first, *rest) for w in wanted.own_weights]
    if against := [*([] if locking else unlocked(weights, settings.lock)), *together(weights)]:
        raise Refused(*against)
    if not locking:
        check_lock(settings)
    return replace(first, smaller=tuple(rest))


def _secrets(stack: Stack, catalog: Catalog) -> set[str]:
    """Names of what its services keep in .env, and of the token that models are fetched with."""
    found = {secret.name for entry in stack.services.values() for secret in catalog.service(entry.service).secrets}
    return {*found, TOKEN}


def _wanted(
    name: str,
    stack: Stack,
    tier: str | None,
    doing: Duty,
    settings: Settings,
    catalog: Catalog,
    origins: Mapping[str, str],
) -> Wanted:
    below = dict(zip([*stack.tiers][1:], stack.tiers, strict=False)).get(tier or "")
    stack = at_tier(stack, tier)
    mode = (settings.dual_gpu_mode or next(iter(stack.modes), None)) if doing.role == "dual_gpu" else None
    off, there = unwanted(stack, tier, settings), on_others(stack, doing, origins)
    away = {**elsewhere(stack, doing.role, mode), **there, **off}
    services = tuple(
        _service(origins.get(key, name), key, stack, settings, catalog) for key in stack.services if key not in away
    )
    theirs = there.keys() - off.keys()
    needs = {s.name: {*s.entry.depends_on} - theirs if s.name not in settings.external else set() for s in services}
    check_order(name, needs, away, settings)
    ours, externals = _apart(services, settings)
    return Wanted(
        role=doing.role,
        whole=doing.whole,
        stack=name,
        settings=settings,
        services=ours,
        externals=externals,
        tier=tier,
        below=below,
        left_out=away,
        mode=mode,
        free_mib=stack.modes[mode].free_mib if mode else {},
        digests=lock(Path(settings.lock)).images,
        roles=tuple(sorted({r for key, entry in stack.services.items() if key not in off for r in entry.roles})),
    )


def _apart(
    services: tuple[WantedService, ...], settings: Settings
) -> tuple[tuple[WantedService, ...], tuple[WantedService, ...]]:
    """The services to run, and the external ones."""
    there = tuple(s for s in services if s.name in settings.external)
    for s in there:
        if s.service.gate is None:
            what = f"{s.entry.service} does not speak HTTP: its file has no gate"
            raise Refused(Problem(f"group_data/external/{s.name}", what, "leave it out"))
    if there and len(there) == len(services):
        raise Refused(Problem("group_data/external", "has every service of this host", "leave one out"))
    if not services:
        raise Refused(Problem("group_data/services", "leaves no service for this host", "leave one of them in"))
    return tuple(s for s in services if s not in there), there


def _seen_from(where: str, refused: Refused) -> Refused:
    return Refused(*(Problem(f"{where} -> {p.where}", p.what, p.fix) for p in refused.problems))


def _service(stack_name: str, key: str, stack: Stack, settings: Settings, catalog: Catalog) -> WantedService:
    entry, where = stack.services[key], f"stacks/{stack_name}/services/{key}"
    try:
        service = catalog.service(entry.service)
    except Refused as refused:
        raise _seen_from(where, refused) from None
    check_models(where, entry, service)
    check_card(where, key, entry, service, settings)
    names = [entry.model] if entry.model else entry.models
    residents, on_demand = (
        tuple(declared(f"{where}/model", n, stack, settings, catalog, service) for n in some)
        for some in (names, entry.on_demand)
    )
    for weights in (*residents, *on_demand):
        given_by = f"group_data/models/{weights.name}" if weights.name in settings.models else f"{where}/model"
        check_source(given_by, entry.service, service, weights.model, ours=weights.name not in settings.models)
    publish = settings.ports.get(key, entry.publish)
    check_ports(where, entry, service, publish)
    given = options(where, key, entry, service, settings)
    more = {name: settings.ports.get(f"{key}/{name}", number) for name, number in entry.publish_more.items()}
    sources = _sources(entry, service, catalog)
    share = shared_port(where, key, entry, service, settings)
    return WantedService(key, entry, service, stack_name, given, residents, on_demand, publish, more, share, sources)


def _sources(entry: StackService, service: Service, catalog: Catalog) -> dict[str, dict[str, str]]:
    """By folder the files that images of ``service`` are built of."""
    found, where = dict[str, dict[str, str]](), f"services/{entry.service}/build"
    for build in (b for b in service.build.values() if b.folder):
        try:
            found[build.name] = catalog.image(build.name)
        except Refused as refused:
            raise _seen_from(where, refused) from None
        if build.dockerfile not in found[build.name]:
            raise Refused(Problem(f"{where} -> images/{build.name}", f"has no {build.dockerfile}", "add it"))
    return found
