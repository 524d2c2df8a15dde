"""The whole path of one host, in order: settings, facts, plan, release, and the operations that bring it there."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Generator, Iterable

from pyinfra import logger
from pyinfra.api.deploy import deploy
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import StateStage
from pyinfra.context import host

from ..errors import Refused
from ..plan import explain, plan
from ..plan.kept import pending
from ..render import render
from ..schema import HostFacts
from . import (
    accounts,
    boot,
    drain,
    engine,
    fleet,
    journal,
    layout,
    models,
    packages,
    ports,
    reboot,
    release,
    rollout,
    spread,
    steps,
    up,
)
from .changes import changes
from .given import given, stdin
from .observe import Target, hurry, observed
from .passed import passed


@deploy("gpufleet")
def site() -> None:
    """Converge this host to what its groups and data say."""
    converge()


def converge() -> None:
    """The same, for a deploy of another name."""
    _no_prompt_without_terminal()
    hurry(host)
    target = target_of(host)
    if target is None:
        refuse(host)
        return
    if host.state.should_check_for_changes():  # with -y nobody is asked, so nobody has to read it
        for line in explain(target.plan):
            logger.info("%s%s", host.print_prefix, line)
    if target.plan.blocked:
        refuse(host, target.plan.blocked)
        return
    if not journal.wanted(host) or _noted(target):
        _operations(target)


def _noted(target: Target) -> bool:
    """Note what is not as planned, before anything is done about it. False: it was said why nothing will be."""
    state = observed(host, target)
    if state is None:
        refuse(host)
        return False
    try:
        found = [change.model_dump() for change in changes(target, state)]
        told = {"before": state.current, "release": target.release.id, "urls": dict(target.plan.urls)}
        journal.note(host, "planned", changes=found, **told)
    except Exception as error:
        _say([unexpected(error)], state="failed")
        refuse(host)
        return False
    return True


def target_of(host: Host) -> Target | None:
    """What the host is to be brought to, by what it is now; None: it was said why there is nothing.

    A Python exception would stop the other hosts too.
    """
    try:
        aimed = aim(host)
        return aimed[0] if aimed else None
    except Refused as refused:
        _say(refused.problems)
    except PyinfraError:
        raise
    except Exception as error:
        _say([unexpected(error)], state="failed")
    return None


def aim(host: Host) -> tuple[Target, HostFacts] | None:
    """What the host is to be brought to, and the facts that say so; None: it did not answer. Raises Refused."""
    wanted, facts = fleet.wanted(host), fleet.facts(host)
    if facts is None:
        return None
    planned = plan(host.name, wanted, facts, fleet.address(host), fleet.others(host))
    brought = {**passed(host, planned), **given(wanted.settings.secrets, planned.secrets, facts.env_keys)}
    target = Target(planned, render(planned), given=brought)
    if not planned.blocked:
        pending(planned, target.release, facts.kept)  # raises for what cannot be merged, before anything is touched
    return target, facts


def unexpected(error: Exception) -> str:
    """The line for an error that is ours to mend, and no reason to stop the other hosts."""
    logger.debug(traceback.format_exc())
    return f"host: unexpected {type(error).__name__}: {error}; report it with the output of --debug"


def _operations(target: Target) -> None:
    packages.installed(name="Install the packages", target=target)
    if target.plan.provision.pending:
        before, target = target, Target(target.plan, target.release, waits=True)
        reboot.gate(name="Reboot", target=before, again=lambda host: _renew(host, target))
        if reboot.against(host, before.plan.provision):
            return
        packages.installed(name="Install what the cards need", target=target)
    engine.configured(name="Configure the container engine", target=target)
    engine.cdi(name="Make the CDI devices", target=target)
    accounts.operators(name="Let the operators use the engine", target=target)
    boot.starting(name="Start at boot what the engine does not", target=target)
    ports.filtered(name="Let the fleet reach shared ports", target=target)
    layout.directories(name="Make the directories", target=target)
    layout.secrets(name="Make the secrets", target=target, _stdin=stdin(target.given))
    models.fetched(name="Fetch the models", target=target)
    if spread.among(host):
        models.offered(name="Offer models to other hosts", target=target)
        models.taken(name="Take models from other hosts", target=target)
        models.withdrawn(name="End the offers", target=target)
    release.unpacked(name="Bring the release over", target=target)
    turns = rollout.turns(host)
    for turn, name, at_once in turns:
        up.running(name=name, target=target, turn=turn, **({"_parallel": at_once} if at_once else {}))
    if len(turns) > 1:
        drain.admitted(name="Send requests to all workers again")
    steps.done(name="Do what services need once", target=target)
    summary(name="Summary", target=target)


def _renew(host: Host, target: Target) -> bool:
    """Give ``target`` the plan of the host as it is after its reboot. False: it was said why there is none."""
    hurry(host)
    fleet.forget(host)
    new = target_of(host)
    if new is None or new.plan.blocked:
        _say(new.plan.blocked if new else ())
        return False
    if new.plan.provision.pending:
        _say(["gpus: no driver after the reboot either; look at `dkms status` and at `dmesg`"])
        return False
    target.plan, target.release, target.given, target.waits = new.plan, new.release, new.given, False
    return True


@operation()
def summary(target: Target) -> Generator[str, None, None]:
    """Say where the published services are. Changes nothing."""
    if host.state.current_stage == StateStage.Execute and not target.waits:
        for name, url in target.plan.urls:
            logger.info("%s%s: %s", host.print_prefix, name, url)
    yield from ()


def _say(problems: Iterable[object], state: str = "blocked") -> None:
    """One line a problem."""
    for problem in problems:
        logger.error("%s%s", host.print_prefix, problem)
        journal.note(host, "problem", problem=str(problem), state=state)


def refuse(host: Host, problems: Iterable[object] = ()) -> None:
    """Say ``problems``, and leave this host out of the run; the others go on."""
    _say(problems)
    host.state.fail_hosts({host})


def _no_prompt_without_terminal() -> None:
    """Without -y pyinfra asks whether to go on after a failed host; where nobody can answer, go on with the others."""
    if host.state.should_raise_failed_hosts and not sys.stdin.isatty():
        host.state.should_raise_failed_hosts = None
        host.state.config.FAIL_PERCENT = None
