"""Fleet: what other hosts need of this one, and this one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address

from ..schema import Finding, Fleet, HostFacts, Member, Provision, Share, Shared
from .finding import block, inform
from .roles import STACKS
from .wanted import Wanted, WantedService

Others = Sequence[Member]
FILTER = "nftables"
# Of the group `cache`: for every host of the inventory.
CACHES = ("hub-cache", "bundle", "image-cache", "package-cache")


def member(name: str, wanted: Wanted, address: str = "", present: bool = False) -> Member:
    """A host as the others see it; ``wanted``: of the tier that it runs; ``address``: that of its SSH."""
    address = str(wanted.settings.address or address or name)
    return Member(
        name=name,
        address=address,
        present=present,
        asks=tuple(sorted(f"{of(wanted, s, name)}/{other}" for s, other in _asks(wanted))),
        watches=tuple(sorted({*_watches(wanted, name), *(f"*/{kind}" for kind in CACHES)})),
        shares=tuple(_shared(wanted, s, name, address) for s in wanted.services if s.share),
    )


def of(wanted: Wanted, s: WantedService, host: str) -> str:
    """The stack whose services find each other: that of a host which runs all of it is its own."""
    return f"{s.stack}@{host}" if wanted.whole and s.stack == wanted.stack else s.stack


def _watches(wanted: Wanted, host: str) -> set[str]:
    """Kinds, of its own stack, or of any where the one who watches belongs to no stack but the fleet's own."""
    pairs = ((s, kind) for s in wanted.services for kind in s.entry.watches)
    return {f"{'*' if s.stack in STACKS else of(wanted, s, host)}/{kind}" for s, kind in pairs}


def _asks(wanted: Wanted) -> list[tuple[WantedService, str]]:
    """What depends on services that run elsewhere, and on which."""
    here = {s.name for s in (*wanted.services, *wanted.externals)}
    return [(s, other) for s in wanted.services for other in s.entry.depends_on if other not in here]


def nobodys(wanted: Wanted, fleet: Fleet) -> dict[str, WantedService]:
    """What nobody has, and who depends on it."""
    there = {s.name for s in fleet.remotes}
    return {other: s for s, other in _asks(wanted) if other not in there}


def _shared(wanted: Wanted, s: WantedService, host: str, address: str) -> Shared:
    return Shared(
        host=host,
        stack=of(wanted, s, host),
        name=s.name,
        kind=s.entry.service,
        at=f"{address}:{s.share[0] if s.share else 0}",
        tls=s.service.tls,
        model=s.started_with.name if s.started_with else None,
        pulled=s.pulled,
        secrets=tuple(secret.name for secret in s.service.secrets),
    )


def remembered(others: Others, known: Iterable[Shared]) -> list[Member]:
    """The other hosts, those that do not answer as they were ``known`` last: which tier they run nobody can say now."""
    last = {(s.host, s.key): s for s in known}
    return [m if m.present else _remembered(m, last) for m in others]


def _remembered(m: Member, last: Mapping[tuple[str, str], Shared]) -> Member:
    """Where it is, the inventory says."""
    shares = (last.get((s.host, s.key), s).model_copy(update={"at": s.at}) for s in m.shares)
    return m.model_copy(update={"shares": tuple(shares)})


def joined(wanted: Wanted, me: Member, others: Others) -> Fleet:
    """What ``me``, a host with what is ``wanted``, has of others, and they of it."""
    there = tuple(s for m in others for s in m.shares if me.needs(s))
    asked = ((s, [m.address for m in others if m.needs(s)]) for s in me.shares)
    ports = {s.name: s.share for s in wanted.services if s.share}
    return Fleet(
        remotes=there,
        shares=tuple(
            Share(service=s.name, port=ports[s.name][0], inside=ports[s.name][1], hosts=tuple(sorted(who)))
            for s, who in asked
            if who
        ),
        taken=_taken(wanted, there),
    )


def hub_cache(wanted: Wanted, fleet: Fleet) -> str:
    """The mirror of the Hub that the fleet has, unless its user names another."""
    if "huggingface" in wanted.settings.mirrors.model_fields_set:
        return ""
    return _at(CACHES[0], fleet)


def bundle(fleet: Fleet) -> str:
    """Where a host of the fleet has what `gpufleet bundle` wrote."""
    return _at(CACHES[1], fleet)


def _at(kind: str, fleet: Fleet) -> str:
    return next((s.url for s in fleet.remotes if s.kind == kind), "")


def filtered(below: Provision, fleet: Fleet) -> Provision:
    """With what filters packets, where ports are shared."""
    if not (fleet.shares and below.manager):
        return below
    return below.model_copy(update={"packages": {**below.packages, FILTER: ""}})


def _taken(wanted: Wanted, there: Iterable[Shared]) -> dict[str, str]:
    """By secret that another host's service is asked with who makes it: of several hosts the first."""
    own = {s.name for s in wanted.services}
    asked = {secret.name for s in wanted.services for secret in s.service.secrets}
    found = ((name, s.host) for s in there if s.name not in own for name in s.secrets if name in asked)
    return dict(reversed([*found]))


def against(wanted: Wanted, facts: HostFacts, me: Member, fleet: Fleet, others: Others) -> Iterable[Finding]:
    """What keeps this host from its fleet."""
    for other, s in nobodys(wanted, fleet).items():
        what = f"{s.name} waits for it, and no host of the inventory shares it"
        fix = "put a host into the group that runs it, and give it `share: PORT` in the stack"
        yield block("FLEET-NOBODY", f"stacks/{s.stack}/services/{other}", what, fix)
    if fleet.shares and (where := _unusable(me.address, facts)):
        yield block("FLEET-ADDRESS", "group_data/address", *where)
    present = {m.name for m in others if m.present}
    if away := sorted({s.host for s in fleet.remotes if s.model or s.pulled} - present):
        what = f"{', '.join(away)}: not in this run, or without an answer; taken as they were known last"
        yield inform("FLEET-KNOWN", "fleet", what, "run them as well, if they have changed")
    for name, host in fleet.taken.items():
        if host not in present and name not in facts.env_keys:
            what = f"{host} makes it, and is not in this run or does not answer"
            yield block("FLEET-SECRET", f"secrets/{name}", what, f"run it with {host} as well")


def _unusable(address: str, facts: HostFacts) -> tuple[str, str] | None:
    """Why other hosts cannot be given this address, and what mends it."""
    have = facts.system.addresses
    try:
        number = str(IPv4Address(address))
    except AddressValueError:
        return f"other hosts need services of this one, and '{address}' is a name", _choose(have)
    return (f"the host has no address {number}", _choose(have)) if have and number not in have else None


def _choose(have: Sequence[str]) -> str:
    return f"set address to one of: {', '.join(a for a in have if not a.startswith('127.'))}"
