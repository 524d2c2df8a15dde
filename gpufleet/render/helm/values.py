"""values.yaml: what a user of the chart changes; all else is changed in the stack, and exported again."""

from __future__ import annotations

from ...schema import Plan, PlannedService
from .names import pages
from .pod import resources
from .storage import claims, on_nodes, writes
from .text import Object, plain

# sh, install, flock, stat, sha256sum, nc, and the curl by which models are fetched.
TOOLS = "docker.io/curlimages/curl:8.16.0"
HEAD = """\
# Written by gpufleet. Write what you change into a file of your own, and give it to helm with -f.
"""


def values(plan: Plan) -> str:
    """The text of it, with comments."""
    return HEAD + "".join(f"\n# {about}\n{plain(told)}" for about, told in _parts(plan) if told)


def _parts(plan: Plan) -> list[tuple[str, Object]]:
    keys = ", ".join(k.name for k in plan.secrets)
    made: Object = {"existingSecret": ""} if keys else {}
    given: Object = {k.name: "" for k in plan.secrets if k.given}
    some = any(s.devices for s in plan.services)
    claimed: Object = {c.name: {"size": f"{c.gib}Gi", "accessModes": ["ReadWriteOnce"]} for c in claims(plan)}
    storage = {"storage": {"className": "", "claims": claimed}} if claimed else {}
    ingress = {"ingress": {"className": "", "tls": False, "annotations": {}}} if pages(plan) else {}
    return [
        (f"A Secret of yours with {keys}; none: they are made once, and kept.", made),
        ("Values of that Secret that only you have.", {"given": given} if given else {}),
        ("Of all images.", {"imagePullPolicy": "IfNotPresent", "imagePullSecrets": []}),
        ("What makes directories, fetches models, and waits.", {"toolsImage": TOOLS}),
        ("Of pods with a card; none: the node's own.", {"runtimeClassName": ""} if some else {}),
        (
            "No class: the cluster's own. A claim that several services use needs ReadWriteMany on several nodes.",
            storage,
        ),
        ("For services with a host below; tls: by the certificate in the Secret NAME-tls of each.", ingress),
        ("By service.", {"services": {s.name: _service(plan, s) for s in plan.services}}),
    ]


def _service(plan: Plan, s: PlannedService) -> Object:
    several = not (on_nodes(plan, s) or writes(plan, s))
    return {
        "image": s.image,
        **({"replicas": 1} if several else {}),
        **({"type": "ClusterIP"} if s.publish else {}),
        **({"host": ""} if s in pages(plan) else {}),
        "resources": resources(plan, s),
        "nodeSelector": {},
        "tolerations": [],
    }
