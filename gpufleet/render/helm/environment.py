"""Environment and commands: Compose's `${NAME:?}` as Kubernetes' `$(NAME)`; `$$` is one `$` to both."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...errors import Problem, Refused
from ...schema import Plan, PlannedService
from .names import secret
from .storage import on_nodes
from .text import Expr, Object

_DOLLAR = re.compile(r"\$(?:(\$)|\{(\w+):\?\}|)")
PREFIX = "SECRET_"  # of a secret that stands inside a longer value


def environment(plan: Plan, s: PlannedService) -> list[Object]:
    """Secrets before the values that name them: Kubernetes knows what was said before alone."""
    told = {**s.environment, **s.access.environment}
    whole = {key: name for key, text in told.items() if (name := _only(text))}
    longer = [text for key, text in told.items() if key not in whole] + [*s.entrypoint, *s.command]
    inside = sorted({name for text in longer for name in _asked(text)})
    where = f"services/{s.kind}/environment"
    return [
        *(told_secret(plan, where, PREFIX + name, name) for name in inside),
        *(told_secret(plan, where, key, name) for key, name in whole.items()),
        *(_told(plan, s, k, text, where) for k, text in told.items() if k not in whole),
    ]


def _told(plan: Plan, s: PlannedService, key: str, text: str, where: str) -> Object:
    """A variable; the host's name is the node's, of what runs on every node."""
    if text == plan.host and on_nodes(plan, s):
        return {"name": key, "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    return {"name": key, "value": expanded(text, f"{where}/{key}")}


def expanded(text: str, where: str) -> str:
    """Compose's text as Kubernetes expands it in environment, command and arguments.

    >>> expanded("a:${KEY:?}@b $$HOME", "x")
    'a:$(SECRET_KEY)@b $$HOME'
    """
    return _DOLLAR.sub(lambda m: f"$({PREFIX}{m[2]})" if m[2] else _escaped(m, where, "$$"), text)


def unescaped(text: str, where: str) -> str:
    """Compose's text where Kubernetes expands nothing, as in probes."""
    return _DOLLAR.sub(lambda m: _escaped(m, where, "$"), text)


def _escaped(match: re.Match[str], where: str, dollar: str) -> str:
    if match[1]:
        return dollar
    asked = match.string[match.start() : match.end() + 20]
    raise Refused(Problem(where, f"'{asked}' is not known in a chart", "write `${NAME:?}` of a secret, or `$$`"))


def _asked(text: str) -> list[str]:
    return [m[2] for m in _DOLLAR.finditer(text) if m[2]]


def _only(text: str) -> str | None:
    """The secret that the whole text is."""
    found = _DOLLAR.fullmatch(text)
    return found[2] if found else None


def told_secret(plan: Plan, where: str, key: str, name: str) -> Object:
    """The variable ``key`` with the value of a secret."""
    if name not in (known.name for known in plan.secrets):
        raise Refused(Problem(where, f"asks for {name}, which is no secret", "declare it in the service's `secrets`"))
    of = Expr(f'.Values.existingSecret | default "{secret(plan)}" | toJson')
    return {"name": key, "valueFrom": {"secretKeyRef": {"name": of, "key": name}}}


def expand_all(texts: Iterable[str], where: str) -> list[str]:
    return [expanded(text, where) for text in texts]
