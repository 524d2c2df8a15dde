"""(what is wanted, facts) -> Plan: a pure function; the same input gives the same plan."""

from __future__ import annotations

from ..schema import Download, Finding, HostFacts, Plan, Secret
from . import amd
from .checkup import gpu_findings
from .driver import against, driverless
from .explain import explain
from .place import place
from .preflight import preflight
from .preflight_engine import missing_nodes
from .provision import provision
from .resolve import deadline, directories, outputs, resolve
from .wanted import ROLES, Wanted, WantedService, want

__all__ = ["ROLES", "Wanted", "WantedService", "explain", "plan", "want"]


def plan(host: str, wanted: Wanted, facts: HostFacts, address: str = "") -> Plan:
    """What ``host`` will run, where, and why; ``findings`` say what speaks against it.

    ``address`` is where others reach it, its name if empty.
    """
    places, ledgers, fit = place(wanted, facts)
    fetch = _downloads(wanted)
    uses_gpu = any(p.cards for p in places.values())
    ills = gpu_findings(facts.gpus, "warns") if uses_gpu else ()  # without any, GPU-NONE tells of them all
    below = provision(wanted, facts, [card for p in places.values() for card in p.cards])
    if below.pending:
        fit = ()  # nothing can be placed on cards that nothing drives yet
    cards = driverless(wanted, facts)
    driver = (*(against(cards, wanted, facts) if cards else ()), *amd.against(wanted, facts))
    findings = (*driver, *fit, *_context(wanted), *preflight(wanted, facts, fetch, below), *ills)
    settings = wanted.settings
    services = tuple(resolve(wanted, s, places[s.name], facts) for s in wanted.services)
    return Plan(
        host=host,
        address=address or host,
        role=wanted.role,
        stack=wanted.stack,
        root=settings.data_root,
        bind=str(settings.bind),
        provision=below,
        selinux=facts.system.selinux,
        operators=tuple(settings.operators),
        services=services,
        ledgers=ledgers,
        directories=directories(wanted),
        downloads=fetch,
        outputs=tuple(o for s in wanted.services for o in outputs(s)),
        secrets=_secrets(wanted),
        health_deadline=deadline(wanted, ledgers),
        keep_releases=settings.keep_releases,
        findings=(*findings, *missing_nodes(services, facts)),
    )


def _downloads(wanted: Wanted) -> tuple[Download, ...]:
    hub = wanted.settings.mirrors.huggingface
    found = {
        wanted.model_path(s.model): Download(
            path=wanted.model_path(s.model),
            url=s.model.source(hub),
            bytes=s.model.bytes,
            sha256=s.model.sha256,
        )
        for s in wanted.services
        if s.model
    }
    return tuple(found[path] for path in sorted(found))


def _secrets(wanted: Wanted) -> tuple[Secret, ...]:
    found: dict[str, Secret] = {}
    for service in wanted.services:
        for secret in service.service.secrets:
            found.setdefault(secret.name, secret)
    return tuple(found[name] for name in sorted(found))


def _context(wanted: Wanted) -> tuple[Finding, ...]:
    """A context longer than the model was made for gives gibberish, not an error."""
    return tuple(
        Finding(
            id="PLAN-CONTEXT",
            severity="blocks",
            where=f"options/{s.name}/context",
            what=f"{s.options['context']} tokens is beyond {s.model.file}'s {s.model.architecture.context}",
            fix=f"set it to {s.model.architecture.context} or less",
        )
        for s in wanted.services
        if s.model and s.model.architecture and s.options.get("context", 0) > s.model.architecture.context
    )
