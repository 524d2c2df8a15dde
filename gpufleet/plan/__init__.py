"""(what is wanted, facts) -> Plan: a pure function; the same input gives the same plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..schema import Download, Finding, HostFacts, Member, Plan, PlannedService, Provision, Pull, Secret, Settings
from . import amd
from .against import against
from .build import builds, fetcher
from .checkup import gpu_findings
from .driver import against as drivers
from .driver import driverless, other_branch
from .explain import explain
from .external import asked, externals, urls
from .fetch import downloads, left, missing, of_weights, pulls
from .finding import block
from .fleet import against as alone
from .fleet import bundle, filtered, hub_cache, joined, member, nobodys, remembered
from .licence import unaccepted
from .place import Placed
from .preflight import preflight
from .preflight_engine import missing_nodes
from .provision import provision
from .quota import over
from .resolve import deadline, directories, kept, outputs, resolve
from .roles import ROLES
from .tiers import LATER, fitting, unknown
from .wanted import TOKEN, Wanted, WantedService, want

__all__ = ["ROLES", "Wanted", "WantedService", "asked", "explain", "kept", "plan", "want"]

LLAMA_SLOTS = 256  # LLAMA_MAX_SEQ of its source


def plan(host: str, wanted: Wanted, facts: HostFacts, address: str = "", others: Sequence[Member] = ()) -> Plan:
    """What ``host`` will run, where, and why; ``findings`` say what speaks against it.

    ``address`` is where others reach it, its name if empty; ``others``: the hosts of its inventory.
    """
    wanted, placed, below, larger = _fitted(wanted, facts)
    me = member(host, wanted, address)
    fleet = joined(wanted, me, remembered(others, facts.known))
    below = filtered(below, fleet)
    fetch, images = downloads(wanted), () if below.pending else pulls(wanted, placed)
    made, have = () if below.pending else builds(wanted, placed), facts.engine.images
    findings = _findings(wanted, facts, placed, below, (fetch, (*missing(images, have), *missing(made, have))))
    reached = dict.fromkeys(nobodys(wanted, fleet), "") | urls(wanted, fleet.remotes)
    services = () if below.pending else _services(host, wanted, facts, placed, findings, reached)
    secrets = _secrets(wanted, services, _token(wanted, fetch, facts))
    last = (*missing_nodes(services, facts), *_asked_for(wanted, secrets, facts))
    found = Plan(
        **_as_set(wanted.settings),
        **_as_wanted(wanted),
        host=host,
        address=me.address,
        provision=below,
        selinux=facts.system.selinux,
        services=services,
        fleet=fleet,
        hub_cache=hub_cache(wanted, fleet),
        bundle=bundle(fleet),
        ledgers=() if below.pending else placed.ledgers,
        downloads=fetch,
        pulls=images,
        builds=made,
        fetcher=fetcher(wanted, fetch, bundle(fleet)),
        outputs=tuple(o for s in wanted.services for o in outputs(wanted, s) if services),
        secrets=secrets,
        given=(*wanted.settings.secrets, *fleet.taken),
        left_out=_left_out(wanted, placed, below, services),
        findings=(*larger, *findings, *alone(wanted, facts, me, fleet, others), *last),
    )
    return found.model_copy(update={"findings": (*found.findings, *over(found, wanted, facts))})


def _as_wanted(wanted: Wanted) -> dict[str, Any]:
    """What of a plan needs no facts."""
    return {
        "role": wanted.role,
        "stack": wanted.stack,
        "tier": wanted.tier,
        "externals": externals(wanted),
        "directories": directories(wanted),
        "health_deadline": deadline(wanted),
    }


def _as_set(settings: Settings) -> dict[str, Any]:
    """What of a plan is as its user said."""
    return {
        "catalog": settings.catalog,
        "root": settings.data_root,
        "bind": str(settings.bind),
        "operators": tuple(settings.operators),
        "hub": settings.mirrors.huggingface,
        "reserve_disk_mib": settings.reserve_disk_mib,
        "peer_port": settings.peer_port,
        "keep_releases": settings.keep_releases,
    }


def _fitted(wanted: Wanted, facts: HostFacts) -> tuple[Wanted, Placed, Provision, tuple[Finding, ...]]:
    """What fits, where, what must be below it, and why no larger tier; of cards to come nobody can say what fits."""
    found, placed, larger = fitting(wanted, facts)
    below = provision(found, facts, [card for p in placed.places.values() for card in p.cards])
    return (unknown(wanted), placed, below, ()) if below.pending else (found, placed, below, larger)


def _left_out(wanted: Wanted, placed: Placed, below: Provision, services: tuple[PlannedService, ...]) -> dict[str, str]:
    """By service of the stack that is not planned why not."""
    missing = [s.name for s in wanted.services if s.name not in {p.name for p in services}]
    if below.pending:
        return {**wanted.left_out, **dict.fromkeys(missing, LATER)}
    return {
        **wanted.left_out,
        **{name: f"it has no image for the CPU, and {placed.places[name].reason}" for name in missing},
    }


def _findings(
    wanted: Wanted,
    facts: HostFacts,
    placed: Placed,
    below: Provision,
    fetch: tuple[tuple[Download, ...], tuple[Pull, ...]],
) -> tuple[Finding, ...]:
    """Everything that speaks against it, or is to be known."""
    cards = driverless(wanted, facts)
    driver = (
        *(drivers(cards, wanted, facts) if cards else ()),
        *other_branch(wanted, facts),
        *amd.against(wanted, facts),
    )
    # Nothing can be placed on cards that nothing drives yet; why nothing will is said once.
    fit = () if below.pending else against(wanted, facts, placed)
    if any(f.severity == "blocks" for f in driver):
        fit = tuple(f for f in fit if f.id != "GPU-NONE")
    # Where no card is used, GPU-NONE tells of them all.
    ills = gpu_findings(facts.gpus, "warns") if any(p.cards for p in placed.places.values()) else ()
    terms = (*unaccepted(wanted), *_context(wanted), *_requests(wanted))
    return (*driver, *fit, *terms, *preflight(wanted, facts, below, *fetch), *ills)


def _services(
    host: str,
    wanted: Wanted,
    facts: HostFacts,
    placed: Placed,
    findings: tuple[Finding, ...],
    reached: Mapping[str, str],
) -> tuple[PlannedService, ...]:
    """All of them; where the host is refused, those that have an image for their place."""
    blocked = any(f.severity == "blocks" for f in findings)
    return tuple(
        resolve(host, wanted, s, placed, facts, reached)
        for s in wanted.services
        if not blocked or placed.places[s.name].accelerator in s.service.accelerators
    )


def _secrets(wanted: Wanted, services: tuple[PlannedService, ...], further: tuple[Secret, ...]) -> tuple[Secret, ...]:
    """Those that something asks for here, by name."""
    found = {secret.name: secret for secret in further}
    for service in wanted.services:
        for secret in service.service.secrets:
            if any(s.asks_for(secret.name) for s in services):
                found.setdefault(secret.name, secret)
    return tuple(found[name] for name in sorted(found))


def _token(wanted: Wanted, fetch: Iterable[Download], facts: HostFacts) -> tuple[Secret, ...]:
    """The token that only the program that fetches models is told: where its user has given one, or has to."""
    page = next((m for m in _gated(wanted, facts)), None)
    asked = page or (TOKEN in wanted.settings.secrets and any(d.hub for d in fetch))
    whose = f"a token of an account that has accepted the terms at {page}" if page else "a token of Hugging Face"
    return (Secret(name=TOKEN, given=whose),) if asked else ()


def _gated(wanted: Wanted, facts: HostFacts) -> Iterable[str]:
    """Pages of the models that cannot be fetched without a token."""
    hub = wanted.settings.mirrors.huggingface.rstrip("/")
    for service, w in ((s, w) for s in wanted.services for w in s.weights if w.model.gated):
        if any(left(d, facts.present) for d in of_weights(wanted, service, w)):
            yield f"{hub}/{w.model.repo}"


def _asked_for(wanted: Wanted, secrets: Iterable[Secret], facts: HostFacts) -> Iterable[Finding]:
    """Secrets that only their user has, and has not given."""
    for s in secrets:
        if s.given and s.name not in wanted.settings.secrets and s.name not in facts.env_keys:
            fix = f"set secrets = {{'{s.name}': 'env:{s.name}'}}, or write it into the host's .env"
            yield block("HOST-SECRET", f"secrets/{s.name}", f"only you have it: {s.given}", fix)


def _context(wanted: Wanted) -> tuple[Finding, ...]:
    """A context longer than the model was made for gives gibberish, not an error."""
    return tuple(
        block(
            "PLAN-CONTEXT",
            f"options/{s.name}/context",
            f"{s.options['context']} tokens is beyond {w.model.label}'s {w.model.architecture.context}",
            f"set it to {w.model.architecture.context} or less",
        )
        for s in wanted.services
        for w in s.weights
        if w.model.architecture and s.options.get("context", 0) > w.model.architecture.context
    )


def _requests(wanted: Wanted) -> tuple[Finding, ...]:
    """What llama.cpp would end at its start for."""
    return tuple(
        block(
            "PLAN-CONTEXT",
            f"options/{s.name}/parallel",
            f"{s.options['parallel']} requests at a time are more than llama.cpp serves",
            f"set it to {LLAMA_SLOTS} or less",
        )
        for s in wanted.services
        if s.weights and s.service.slots == "share" and s.options.get("parallel", 1) > LLAMA_SLOTS
    )
