"""External services: those of the stack that run already, on the host or elsewhere, and are left as they are."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from ..schema import External, Finding, Gate, HostFacts, Shared
from .finding import block
from .wanted import Wanted, WantedService

# The name of the host in containers: Docker's since 20.10 and Podman's, by `host-gateway`.
HOST = "host.docker.internal"
Wrong = tuple[str, str] | None  # what, and what mends it


def externals(wanted: Wanted) -> tuple[External, ...]:
    """The external services of a host; `want()` has refused those without a gate."""
    return tuple(_external(wanted, s, s.service.gate) for s in wanted.externals if s.service.gate)


def _external(wanted: Wanted, service: WantedService, gate: Gate) -> External:
    at = wanted.settings.external[service.name]
    return External(
        name=service.name,
        kind=service.entry.service,
        model=service.started_with.name if service.started_with else None,
        pulled=service.pulled,
        at=at,
        url=inside(at),
        asks=f"{at}{gate.path}",
        status=gate.status,
        needed_by=tuple(s.name for s in wanted.services if service.name in s.entry.depends_on),
    )


def inside(url: str) -> str:
    """A URL of the host as its containers ask it: to them 127.0.0.1 is themselves.

    >>> inside("http://127.0.0.1:11434"), inside("https://gpu2.lan/ollama")
    ('http://host.docker.internal:11434', 'https://gpu2.lan/ollama')
    """
    parts = urlsplit(url)
    if not _this_host(parts.hostname or ""):
        return url
    return parts._replace(netloc=f"{HOST}:{parts.port}" if parts.port else HOST).geturl()


def _this_host(name: str) -> bool:
    return name in ("localhost", "0.0.0.0", "::") or _loopback(name)


def _loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


def asked(wanted: Wanted) -> tuple[str, ...]:
    """The URLs that the host shall ask."""
    return tuple(e.asks for e in externals(wanted))


def urls(wanted: Wanted, remotes: Iterable[Shared] = ()) -> dict[str, str]:
    """By service of the stack the URL at which its containers reach it: of several hosts that have one, the first."""
    there = {s.name: s.url for s in reversed([*remotes])}
    return there | {s.name: _url(s) for s in wanted.services} | {e.name: e.url for e in externals(wanted)}


def _url(service: WantedService) -> str:
    on_host = service.service.host_network
    return f"http://{HOST}:{service.publish}" if on_host else f"http://{service.name}:{service.service.port}"


def against(wanted: Wanted, facts: HostFacts) -> Iterable[Finding]:
    """External services that cannot be used as they are."""
    for e in externals(wanted):
        wrong = _own(e, wanted.stack, facts) or _closed(e, facts) or _alone(e, facts)
        if wrong:
            what, fix = wrong
            yield block("NET-EXTERNAL-AWAY", f"external/{e.name}", what, fix)


def _own(e: External, stack: str, facts: HostFacts) -> Wrong:
    """A container of the stack: this run would end it, or make it its own dependency."""
    name, port = _place(e)
    if not _this_host(name) and name not in facts.system.addresses:
        return None
    mine = (c.name for c in facts.engine.containers if c.project == stack and c.publishes(port))
    fix = "leave it out, or give the URL of another program"
    return next(((f"{name} answers at {e.at}, which is the stack's own", fix) for name in mine), None)


def _closed(e: External, facts: HostFacts) -> Wrong:
    answer = facts.answers.get(e.asks, str(e.status))
    if answer == str(e.status):
        return None
    says = f"gives HTTP {answer}" if answer.isdecimal() else f"does not answer: {answer}"
    return f"{e.asks} {says}, not HTTP {e.status}", "start it, or correct its URL"


def _alone(e: External, facts: HostFacts) -> Wrong:
    """What listens on the host's loopback answers the host, and no container."""
    name, port = _place(e)
    heard = [x.address for x in facts.listeners if x.port == port]
    if not (_this_host(name) and e.needed_by and heard and all(map(_loopback, heard))):
        return None
    what = f"it listens on {', '.join(heard)} alone, which {', '.join(e.needed_by)} cannot reach from containers"
    return what, "let it listen on 0.0.0.0 (Ollama: OLLAMA_HOST=0.0.0.0), or on the host's address and give that"


def _place(e: External) -> tuple[str, int]:
    parts = urlsplit(e.at)
    return parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)
