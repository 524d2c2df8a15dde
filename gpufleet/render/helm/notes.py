"""What whoever installs the chart has to know: NOTES.txt, and what the command says."""

from __future__ import annotations

from collections.abc import Iterator

from ...schema import Plan
from .names import pages, secret
from .storage import claims, on_nodes, theirs
from .text import literal


def notes(plan: Plan) -> list[str]:
    """Lines, each of one thing that is not as on a host."""
    return [*_built(plan), *_cards(plan), *_shared(plan), *_nodes(plan), *_kept(plan), *_steps(plan)]


def text(plan: Plan) -> str:
    """NOTES.txt."""
    lines = [f"{plan.stack} in the namespace {{{{ .Release.Namespace }}}}."]
    ask = "kubectl -n {{ .Release.Namespace }}"
    if pages(plan):
        lines += ["", "From your machine:"]
        lines += [f"  {ask} port-forward svc/{s.name} {s.publish}" for s in pages(plan)]
    if plan.secrets:
        of = f'{{{{ .Values.existingSecret | default "{secret(plan)}" }}}}'
        lines += ["", f"Secrets ({', '.join(k.name for k in plan.secrets)}):"]
        lines += [f"  {ask} get secret {of} -o jsonpath='{{.data.{plan.secrets[0].name}}}' | base64 -d"]
    lines += ["", "To know:", *(f"- {literal(line)}" for line in notes(plan))] if notes(plan) else []
    return "\n".join(lines) + "\n"


def _built(plan: Plan) -> Iterator[str]:
    """A cluster builds nothing."""
    for b in plan.builds:
        keys = " and ".join(f"services.{name}.image" for name in b.services)
        yield f"no registry has {b.image}: build it of {b.source}, push it to one of yours, and name it in {keys}"


def _cards(plan: Plan) -> Iterator[str]:
    """A device plugin hands out whole cards."""
    for device in sorted({d for s in plan.services for d in s.devices}):
        users = [s.name for s in plan.services if device in s.devices]
        if len(users) > 1:
            yield (
                f"{' and '.join(users)} share a card, which Kubernetes gives to one pod: let the device plugin offer "
                f"each card {len(users)} times (time slicing), or give them cards of their own"
            )


def _shared(plan: Plan) -> Iterator[str]:
    for claim in claims(plan):
        if len(claim.users) > 1:
            users = " and ".join(claim.users)
            yield f"the claim {claim.name} is used by {users}: with ReadWriteOnce all of them must be on one node"


def _nodes(plan: Plan) -> Iterator[str]:
    for s in plan.services:
        if on_nodes(plan, s):
            paths = ", ".join(m.source for m in theirs(plan, s)) or "its processes"
            yield f"{s.name} runs on every node, with the node's own {paths}; its name leads to any one of them"


def _kept(plan: Plan) -> Iterator[str]:
    for o in plan.outputs:
        if o.keep:
            yield f"{o.service}: {o.target} is written at the first start, and is yours from then on"


def _steps(plan: Plan) -> Iterator[str]:
    for s in plan.services:
        if s.steps:
            gib = f", {s.pulled_bytes / 2**30:.1f} GiB" if s.pulled_bytes else ""
            yield f"{s.name} is not ready before its first steps are done ({len(s.steps)}{gib}); its log tells of them"
