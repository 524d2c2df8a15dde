"""Everything that a run would change on a host: the plan's side of it, and what only the operations know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from ..plan.daemon import PATH
from ..plan.drift import differences
from ..plan.provision import UNITS, coming, loaded, right
from ..schema import Change, HostState, Provision
from ..schema.forecast import Kind
from . import amd, boot, ports
from .observe import Target

_WRONG = {
    "docker": f"{PATH}: does not say what containers need for cards",
    "podman": f"{UNITS['podman']}: is not there now and at every boot",
}
_ORDER = get_args(Kind).index


def changes(target: Target, state: HostState) -> list[Change]:
    """What a run would mend, in the order in which it would."""
    found = [*differences(target.plan, target.release, state), *_engine(target.plan.provision, state)]
    found += [Change(kind="cdi", what=f"{path}: is not as it was written") for path in amd.altered(target.plan, state)]
    if not boot.right(target.plan, state):
        how = "is not as it was written" if state.unit else "is not there"
        found.append(Change(kind="boot", what=f"{boot.UNIT}: {how}"))
    if not ports.right(target.plan, state):
        found.append(Change(kind="ports", what="the rules of shared ports are not as planned"))
    return sorted(found, key=lambda change: _ORDER(change.kind))


def _engine(wanted: Provision, state: HostState) -> Iterator[Change]:
    have = state.plumbing
    if wanted.engine == "docker" and (have.disabled or have.stopped):
        yield Change(kind="engine", what="docker: is not started, or not at every boot")
    elif not right(wanted.but_plain, have):
        yield Change(kind="engine", what=_WRONG[wanted.engine])
    elif not right(wanted, have) or loaded(wanted, have) != loaded(wanted.but_plain, have):
        yield Change(kind="engine", what=f"{wanted.engine}: is not told that {', '.join(wanted.plain)} has no TLS")
    elif not loaded(wanted, have):
        yield Change(kind="engine", what="docker: has not loaded what containers need for cards")
    elif coming(wanted, have):
        yield Change(kind="engine", what=f"{PATH}: what containers need for cards, if the new engine has to be told")
