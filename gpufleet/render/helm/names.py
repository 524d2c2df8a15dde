"""What objects are called, and the values that a user changes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...errors import Problem, Refused
from ...plan.external import HOST
from ...schema import Plan, PlannedService
from ..compose import names_host
from .text import Expr, Maybe, Object

# A service's name, and room for what Kubernetes adds to the names of pods.
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,49}[a-z0-9])?")
FIX = "give it another in a stack file of your own: letters, digits and `-`, at most 51, the first one a letter"


def check(plan: Plan, files: dict[str, bytes]) -> None:
    """Raises Refused with all that a chart cannot say; ``files`` are the generated ones."""
    problems = [*_names(plan), *_hosts(plan, files)]
    if problems:
        raise Refused(*problems)


def _names(plan: Plan) -> Iterator[Problem]:
    named = [(f"stacks/{plan.stack}", plan.stack), *((f"services/{s.name}", s.name) for s in plan.services)]
    yield from (Problem(where, "is no name in Kubernetes", FIX) for where, n in named if not _NAME.fullmatch(n))


def _hosts(plan: Plan, files: dict[str, bytes]) -> Iterator[Problem]:
    """What asks for the host itself: pods have no name for the node that they are on."""
    fix = "give the address at which pods reach it"
    own = [e for e in plan.externals if HOST in e.url]
    yield from (Problem(f"group_data/external/{e.name}", f"{e.at} is each node's own", fix) for e in own)
    for s in plan.services:
        away = f"leave it out: --data 'services={{\"{s.name}\": false}}'"
        if s.host_network:
            yield Problem(f"services/{s.name}", "is on the network of the host itself, where no name leads", away)
        elif names_host(plan, s, files) and not own:
            yield Problem(f"services/{s.name}", f"asks for {HOST}, the host that it is on", away)


def selector(s: PlannedService) -> Object:
    """The labels by which a service's pods are found."""
    return {"app.kubernetes.io/name": s.name, "app.kubernetes.io/instance": Expr(".Release.Name | toJson")}


def meta(plan: Plan, name: str, s: PlannedService | None = None) -> Object:
    """Metadata of an object; names have no prefix, as generated files know services by the stack's names for them."""
    labels = selector(s) if s else {"app.kubernetes.io/instance": Expr(".Release.Name | toJson")}
    labels |= {"app.kubernetes.io/part-of": plan.stack, "app.kubernetes.io/managed-by": Expr(".Release.Service")}
    return {"name": name, "labels": labels}


def value(s: PlannedService, key: str) -> Expr:
    """A service's value, as JSON: YAML on one line whatever it is."""
    return Expr(f'(index .Values.services "{s.name}").{key} | toJson')


def chosen(s: PlannedService, key: str) -> Maybe:
    """A service's value that may be empty."""
    return Maybe(f'(index .Values.services "{s.name}").{key}')


def secret(plan: Plan) -> str:
    return f"{plan.stack}-secrets"


def pages(plan: Plan) -> list[PlannedService]:
    """Services that are published, and speak HTTP."""
    return [s for s in plan.services if s.publish and s.gate]
