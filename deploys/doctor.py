"""The doctor: what is wrong on the hosts, at any time, changing nothing.

`pyinfra INVENTORY gpufleet.deploys.doctor` prints one report for the fleet; `report=FILE` writes it as JSON too.
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
from ..plan import Wanted, plan, want
from ..plan.checkup import checkup
from ..plan.daemon import PATH
from ..plan.drift import differences
from ..plan.provision import UNITS, right
from ..plan.report import Checked, data, text
from ..render import render
from ..schema import HostFacts, Plan, Service
from . import amd, boot
from .observe import Target, arguments, hurry
from .site import own_data

_CHECKED: dict[str, Checked] = {}
_WRONG = {
    "docker": f"{PATH}: does not say what containers need for cards",
    "podman": f"{UNITS['podman']}: is not there now and at every boot",
}
AWAY = Checked("?", None, problem="host: cannot be reached over SSH; look at the line about it above")


@deploy("gpufleet doctor")
def doctor(report: str | None = None) -> None:
    """Check this host; the last one prints the report of them all."""
    hurry(host)
    _CHECKED[host.name] = _check(host)
    hosts = list(host.state.inventory.get_active_hosts())
    if {h.name for h in hosts} <= _CHECKED.keys():
        found = {name: _CHECKED.get(name, AWAY) for name in sorted(_CHECKED.keys() | _unreachable(host))}
        for line in text(found):
            logger.info(line)
        if report:
            _write(Path(report), json.dumps(data(found), indent=1) + "\n")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        logger.error("report: %s cannot be written: %s; choose another file", file, error.strerror)
    else:
        logger.info("report: %s", file)


def _unreachable(host: Host) -> set[str]:
    """Hosts of this run that we could not log in to."""
    state = host.state
    wanted = state.limit_hosts if isinstance(state.limit_hosts, list) else list(state.inventory)
    return {h.name for h in wanted} - {h.name for h in state.activated_hosts}


def _check(host: Host) -> Checked:
    try:
        wanted = want(list(host.groups), own_data(host.data.dict()))
    except Refused as refused:
        return Checked("?", None, problem="; ".join(map(str, refused.problems)))
    seen = host.get_fact(Checkup, **_asked(wanted))
    if seen is None:
        return Checked(wanted.role, None, problem="host: did not answer; look at the lines above")
    facts, health = seen
    try:
        planned = plan(host.name, wanted, facts, host.data.get("ssh_hostname") or "")
        return Checked(wanted.role, facts, checkup(planned, facts, health, _drift(host, planned, facts)))
    except Refused as refused:
        return Checked(wanted.role, facts, problem="; ".join(map(str, refused.problems)))


def _asked(wanted: Wanted) -> dict[str, str]:
    programs = [_program(wanted.stack, s.name, s.service) for s in wanted.services if s.service.on_cpu]
    return {
        "engine": wanted.settings.engine,
        "root": wanted.settings.data_root,
        "models": "\n".join(wanted.model_paths),
        "operators": "\n".join(wanted.settings.operators),
        "names": "\n".join(_names(wanted)),
        "programs": "\n".join(programs if wanted.role != "cpu" else []),
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
    urls = [w.model.source(mirrors.huggingface) for s in wanted.services for w in s.weights]
    urls += [mirrors.packages] if mirrors.packages else []
    urls += [f"https://{mirrors.registry}"] if mirrors.registry else []
    parts = [urlsplit(url) for url in urls]
    return sorted({f"{p.hostname}:{p.port or {'http': 80}.get(p.scheme, 443)}" for p in parts})


def _drift(host: Host, planned: Plan, facts: HostFacts) -> tuple[str, ...]:
    """Why the host is not what its plan says; nothing where it cannot be converged anyway."""
    if facts.engine.version is None:
        return ("it was never converged",)
    if planned.blocked or not facts.engine.reachable:
        return ()
    target = Target(planned, render(planned))
    state = host.get_fact(State, **arguments(target))
    if state and state.current is None and not any(c.project == planned.stack for c in state.containers):
        return ("it was never converged",)
    if state is None:
        return ()
    unit = () if boot.right(planned, state) else (f"{boot.UNIT}: is not as it was written",)
    config = () if right(planned.provision, state.plumbing) else (_WRONG[planned.provision.engine],)
    # A container that starts just now is no drift yet.
    found = (line for line in differences(planned, target.release, state) if not line.endswith(": is starting"))
    altered = (f"{path}: is not as it was written" for path in amd.altered(planned, state))
    return (*found, *config, *unit, *altered)
