"""Plan -> Helm chart: the services of a stack in Kubernetes, byte for byte the same for the same plan."""

from __future__ import annotations

import hashlib

from ...schema import Plan, PlannedService
from ..files import generated
from .names import check
from .notes import notes, text
from .objects import config, ingress, secrets, service
from .pod import workload
from .storage import claim, claims, fetched
from .text import dump, plain
from .values import values

__all__ = ["chart", "notes"]

HEAD = "# Written by gpufleet; changes here are undone by the next export.\n"


def chart(plan: Plan, fetch: str) -> dict[str, str]:
    """{path: text} of the chart; ``fetch`` is the script by which hosts fetch a model.

    Raises Refused with what cannot be said in Kubernetes.
    """
    files, claimed = generated(plan), claims(plan)
    check(plan, files)
    found = {f"files/{path}": data.decode() for path, data in files.items()}
    found |= {f"templates/services/{s.name}.yaml": _service(plan, s) for s in plan.services}
    if claimed:
        found["templates/claims.yaml"] = _documents(*(dump(claim(plan, c)) for c in claimed))
    if plan.secrets:
        found["templates/secret.yaml"] = secrets(plan)
    if any(fetched(plan, s) for s in plan.services):
        found |= {"tools/fetch.sh": fetch, "templates/tools.yaml": config(plan, f"{plan.stack}-tools", "tools")}
    found |= {"templates/NOTES.txt": text(plan), "values.yaml": values(plan)}
    return {"Chart.yaml": _about(plan, found), **dict(sorted(found.items()))}


def _documents(*some: str) -> str:
    return HEAD + "---\n".join(some)


def _service(plan: Plan, s: PlannedService) -> str:
    objects = [dump(workload(plan, s)), dump(service(plan, s))]
    if any(o.service == s.name for o in plan.outputs):
        objects.append(config(plan, f"{s.name}-files", f"files/{s.name}", s))
    return _documents(*objects) + ingress(plan, s)


def _about(plan: Plan, files: dict[str, str]) -> str:
    """Chart.yaml; its version tells apart what was exported."""
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]
    told = {"apiVersion": "v2", "name": plan.stack, "description": f"The stack {plan.stack} of gpufleet"}
    return HEAD + plain({**told, "type": "application", "version": f"0.1.0+{digest}"})
