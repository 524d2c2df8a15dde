"""The doctor: what is wrong on the hosts, at any time, changing nothing.

`pyinfra INVENTORY gpufleet.deploys.doctor` prints one report for the fleet; `report=FILE` writes it as JSON too, and
`page=FILE` what is printed.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from pyinfra import logger
from pyinfra.api.deploy import deploy
from pyinfra.api.host import Host
from pyinfra.context import host

from ..errors import Refused
from ..facts.health import Checkup
from ..facts.state import State
from ..plan import Wanted, plan
from ..plan.checkup import checkup
from ..plan.fetch import downloads
from ..plan.report import Checked, data, text
from ..render import render
from ..schema import HostFacts, Plan, Service
from . import fleet
from .changes import changes
from .gather import gathered, write
from .observe import Target, arguments, hurry

_CHECKED: dict[str, Checked] = {}
AWAY = Checked("?", None, problem="host: cannot be reached over SSH; look at the line about it above")


@deploy("gpufleet doctor")
def doctor(report: str | None = None, page: str | None = None) -> None:
    """Check this host; the last one prints the report of them all."""
    hurry(host)
    found = gathered(host, _CHECKED, _check(host), AWAY)
    if not found:
        return
    lines = text(found)
    for line in lines:
        logger.info(line)
    if report:
        write(Path(report), json.dumps(data(found), indent=1) + "\n")
    if page:
        write(Path(page), "".join(f"{line}\n" for line in lines))


def _check(host: Host) -> Checked:
    try:
        wanted = fleet.wanted(host)
    except Refused as refused:
        return Checked("?", None, problem="; ".join(map(str, refused.problems)))
    seen = host.get_fact(Checkup, **_asked(wanted))
    if seen is None:
        return Checked(wanted.role, None, problem="host: did not answer; look at the lines above")
    facts, health = seen
    try:
        planned = plan(host.name, wanted, facts, fleet.address(host), fleet.others(host))
        return Checked(wanted.role, facts, checkup(planned, facts, health, _drift(host, planned, facts)))
    except Refused as refused:
        return Checked(wanted.role, facts, problem="; ".join(map(str, refused.problems)))


def _asked(wanted: Wanted) -> dict[str, str]:
    programs = [_program(wanted.stack, s.name, s.service) for s in wanted.services if s.service.on_cpu]
    return {
        **fleet.questions(wanted),
        "names": "\n".join(_names(wanted)),
        "programs": "\n".join(programs if wanted.role != "cpu" else []),
        "others": "\n".join(f"{s.host}/{s.name} {s.at.replace(':', ' ')}" for s in fleet.needed(host)),
    }


def _program(stack: str, name: str, service: Service) -> str:
    """Container, whether its model stays on the card, the command to ask (``-``: read its log), the pattern."""
    told = service.on_cpu
    if told is None:
        return ""
    return "\t".join((f"{stack}-{name}-1", "yes" if told.resident else "no", told.command or "-", told.says))


def _names(wanted: Wanted) -> list[str]:
    """``HOST:PORT`` of what the host fetches from."""
    mirrors = wanted.settings.mirrors
    urls = [d.url for d in downloads(wanted) if d.url]
    urls += [mirrors.huggingface] if any(w.model.pull for w in wanted.own_weights) else []
    urls += [mirrors.github for s in wanted.services if any(b.context for b in s.service.build.values())]
    urls += [mirrors.packages] if mirrors.packages else []
    urls += [f"https://{mirrors.registry}".replace("https://http://", "http://")] if mirrors.registry else []
    parts = [urlsplit(url) for url in urls]
    return sorted({f"{p.hostname}:{p.port or {'http': 80}.get(p.scheme, 443)}" for p in parts})


def _drift(host: Host, planned: Plan, facts: HostFacts) -> tuple[str, ...]:
    """Why the host is not what its plan says; nothing where it cannot be converged anyway."""
    if facts.engine.version is None:
        return ("it was never converged",)
    if planned.blocked or not facts.engine.reachable:
        return ()
    target = Target(planned, render(planned))  # what its user gives is not asked for: that is not the doctor's
    state = host.get_fact(State, **arguments(target))
    if state and state.current is None and not any(c.project == planned.stack for c in state.containers):
        return ("it was never converged",)
    if state is None:
        return ()
    # A container that starts just now is no drift yet.
    return tuple(c.what for c in changes(target, state) if not c.what.endswith(": is starting"))
