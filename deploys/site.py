"""The whole path of one host, in order: settings, facts, plan, release, and the operations that bring it there."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Generator, Mapping
from typing import Any

from pyinfra import logger
from pyinfra.api.arguments import AllArguments
from pyinfra.api.connectors import get_all_connectors
from pyinfra.api.deploy import deploy
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operation import operation
from pyinfra.api.state import StateStage
from pyinfra.context import host

from ..errors import Refused
from ..facts.host import Facts
from ..plan import explain, plan, want
from ..render import render
from ..schema import Plan
from . import accounts, boot, engine, layout, models, packages, reboot, release, up
from .observe import Target, hurry


@deploy("gpufleet")
def site() -> None:
    """Converge this host to what its groups and data say."""
    _no_prompt_without_terminal()
    hurry(host)
    try:
        wanted = want(list(host.groups), own_data(host.data.dict()))
        lists = {"models": "\n".join(wanted.model_paths), "operators": "\n".join(wanted.settings.operators)}
        settings = wanted.settings
        facts = host.get_fact(Facts, root=settings.data_root, engine=settings.engine, **lists)
        if facts is None:
            return
        planned = plan(host.name, wanted, facts, host.data.get("ssh_hostname") or "")
        target = Target(planned, render(planned))
    except Refused as refused:
        return _refuse([str(p) for p in refused.problems])
    except PyinfraError:
        raise
    except Exception as error:  # ours to mend, and no reason to stop the other hosts
        logger.debug(traceback.format_exc())
        return _refuse([f"host: unexpected {type(error).__name__}: {error}; report it with the output of --debug"])
    if host.state.should_check_for_changes():  # with -y nobody is asked, so nobody has to read it
        for line in explain(planned):
            logger.info("%s%s", host.print_prefix, line)
    if planned.blocked:
        return _refuse([str(f) for f in planned.blocked])
    _converge(target)


def _converge(target: Target) -> None:
    packages.installed(name="Install the packages", target=target)
    if target.plan.provision.pending:
        reboot.gate(name="Reboot", target=target)
        return
    engine.configured(name="Configure the container engine", target=target)
    engine.cdi(name="Make the CDI devices", target=target)
    accounts.operators(name="Let the operators use the engine", target=target)
    boot.starting(name="Start at boot what the engine does not", target=target)
    layout.directories(name="Make the directories", target=target)
    layout.secrets(name="Make the secrets", target=target)
    models.fetched(name="Fetch the models", target=target)
    release.unpacked(name="Bring the release over", target=target)
    up.running(name="Run the release", target=target)
    summary(name="Summary", planned=target.plan)


@operation()
def summary(planned: Plan) -> Generator[str, None, None]:
    """Say where the published services are. Changes nothing."""
    if host.state.current_stage == StateStage.Execute:
        for name, url in planned.urls:
            logger.info("%s%s: %s", host.print_prefix, name, url)
    yield from ()


def own_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """The host's data without what is pyinfra's (connector settings, ``_arguments``) and the user's own (``x_...``)."""
    connectors = {key for c in get_all_connectors().values() for key in getattr(c, "data_cls", dict).__annotations__}
    theirs = connectors | AllArguments.__annotations__.keys()
    return {k: v for k, v in data.items() if k not in theirs and not k.startswith("x_")}


def _refuse(problems: list[str]) -> None:
    """Leave this host out of the run, with one line a problem. A Python exception would stop the others too."""
    for problem in problems:
        logger.error("%s%s", host.print_prefix, problem)
    host.state.fail_hosts({host})


def _no_prompt_without_terminal() -> None:
    """Without -y pyinfra asks whether to go on after a failed host; where nobody can answer, go on with the others."""
    if host.state.should_raise_failed_hosts and not sys.stdin.isatty():
        host.state.should_raise_failed_hosts = None
        host.state.config.FAIL_PERCENT = None
