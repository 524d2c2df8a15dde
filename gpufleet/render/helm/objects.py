"""What stands beside the pods: Services, Ingresses, ConfigMaps, the Secret."""

from __future__ import annotations

from ...schema import Plan, PlannedService, Secret
from ..compose import published
from .names import meta, pages, secret, selector, value
from .pod import ports
from .text import Expr, Maybe, Object, dump


def service(plan: Plan, s: PlannedService) -> Object:
    """The name by which others reach it, at the ports of its container, and at those that hosts publish."""
    led = {**published(s), **{p: p for p in ports(s)}}
    told = [{"name": f"port-{at}", "port": at, "targetPort": f"port-{led[at]}"} for at in sorted(led)]
    kind = {"type": value(s, "type")} if s.publish else {}
    spec = {**kind, "selector": selector(s), "ports": told}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(plan, s.name, s), "spec": spec}


def ingress(plan: Plan, s: PlannedService) -> str:
    """A published page, where it has a host."""
    if s not in pages(plan):
        return ""
    host, at = value(s, "host"), {"service": {"name": s.name, "port": {"name": f"port-{s.port}"}}}
    secured = f'list (dict "hosts" (list {host.removesuffix(" | toJson")}) "secretName" "{s.name}-tls")'
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": at}]}}
    told_meta = {**meta(plan, s.name, s), "annotations": Maybe(".Values.ingress.annotations")}
    spec: Object = {
        "ingressClassName": Maybe(".Values.ingress.className"),
        "tls": Maybe(f"ternary ({secured}) list .Values.ingress.tls"),
        "rules": [rule],
    }
    found = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": told_meta, "spec": spec}
    return f'---\n{{{{- if (index .Values.services "{s.name}").host }}}}\n{dump(found)}{{{{- end }}}}\n'


def config(plan: Plan, name: str, files: str, s: PlannedService | None = None) -> str:
    """A ConfigMap of files of the chart, as they are: what follows them keeps Helm from adding lines to the last."""
    data = f'data:\n{{{{ (.Files.Glob "{files}/*").AsConfig | indent 2 }}}}\n'
    return dump({"apiVersion": "v1", "kind": "ConfigMap"}) + data + dump({"metadata": meta(plan, name, s)})


def secrets(plan: Plan) -> str:
    """Values of the shape that programs want, made once: an upgrade finds them by `lookup`, and keeps them."""
    made = {k.name: Expr(_given(k) if k.given else _made(k)) for k in plan.secrets}
    told_meta = {**meta(plan, secret(plan)), "annotations": {"helm.sh/resource-policy": "keep"}}
    told = dump({"apiVersion": "v1", "kind": "Secret", "metadata": told_meta, "type": "Opaque", "data": made})
    kept = f'(lookup "v1" "Secret" .Release.Namespace "{secret(plan)}").data | default dict'
    return f"{{{{- if not .Values.existingSecret }}}}\n{{{{- $kept := {kept} }}}}\n{told}{{{{- end }}}}\n"


def _made(s: Secret) -> str:
    return f'index $kept "{s.name}" | default (printf "{s.prefix}%x" (randBytes {s.bytes} | b64dec) | b64enc) | toJson'


def _given(s: Secret) -> str:
    """What was given before stays where nothing is given now."""
    told = f"given.{s.name}: only you have it: {s.given}".replace('"', "'")
    return f'.Values.given.{s.name} | b64enc | default (index $kept "{s.name}") | required "{told}" | toJson'
