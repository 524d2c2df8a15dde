"""What a host's state is, read once a stage and again only after something changed it.

pyinfra keeps no facts: each read is a remote command, and every operation would make its own. Operations here share
one reading and drop it when they have changed something.
"""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from shlex import quote
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import SecretStr
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, ConnectorArguments, pop_global_arguments
from pyinfra.api.command import PyinfraCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State as RunState
from pyinfra.api.state import StateStage
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import host
from typing_extensions import override

from ..errors import Refused
from ..facts.section import ENGINE
from ..facts.state import State
from ..plan.amd import FILES
from ..plan.provision import PODMAN_PLAIN
from ..render import Release
from ..schema import HostState, Plan
from . import spread
from .given import digest

Commands = Generator[str | PyinfraCommand, None, None]
_SEEN: WeakKeyDictionary[Host, tuple[Any, HostState]] = WeakKeyDictionary()


@dataclass
class Target:
    """What one host is brought to. ``waits``: for a reboot, after which it is planned anew; ``given``: see given.py."""

    plan: Plan
    release: Release
    waits: bool = False
    given: Mapping[str, SecretStr] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """What the state fact looks at."""
        p = self.plan
        return (*(d.path for d in p.directories), p.env)


def converging(func: Callable[..., Commands]) -> Callable[..., Any]:
    """An operation ``func(target, state, ...)`` that yields what brings the host from ``state`` to ``target``."""

    def run(target: Target, **more: Any) -> Commands:
        if target.waits:
            if host.state.current_stage != StateStage.Execute:
                yield "true"  # what it will do is known after the reboot; that it will do something is
            return
        state = observed(host, target)
        if state is None:  # the fact has said why; going on would take a host that did not answer for an empty one
            yield "exit 1"
            return
        try:
            for command in func(target, state, **more):
                yield spoken(target.plan, command) if isinstance(command, str) else command
                _SEEN.pop(host, None)  # not reached while pyinfra only looks for changes
        except Refused as refused:  # what the host's facts did not show; the other hosts go on
            yield f"echo {quote(str(refused))} >&2; exit 1"

    run.__name__, run.__module__, run.__doc__ = func.__name__, func.__module__, func.__doc__
    return operation()(run)


class Shown(PyinfraCommand):
    """A command of which people want to see how far it is: what it says is shown as it comes."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self.command = command

    @override
    def execute(self, state: RunState, host: Host, connector_arguments: ConnectorArguments) -> bool:
        return ran(host, self.command, shown=True)[0]


def ran(host: Host, command: str, shown: bool = False) -> tuple[bool, CommandOutput]:
    """Run a command as whom its user said (`_sudo`), within an operation or not; pyinfra counts no change."""
    told: Mapping[str, Any] = host.current_op_global_arguments or pop_global_arguments(host.state, host, {})[0]
    arguments = {key: value for key, value in told.items() if key in CONNECTOR_ARGUMENT_KEYS}
    return host.run_shell_command(StringCommand(command), print_output=shown, **arguments)


def spoken(plan: Plan, command: str) -> str:
    """``command``, whose `docker` speaks to the host's engine."""
    return speaking(plan.provision.engine, command)


def speaking(engine: str, command: str) -> str:
    """The same, by the engine's name."""
    return f"engine={engine}\n{ENGINE}{command}"


def observed(host: Host, target: Target) -> HostState | None:
    """The host's state in this stage; None: it did not answer."""
    stage = host.state.current_stage
    seen = _SEEN.get(host)
    if seen is None or seen[0] != stage:
        state = host.get_fact(State, **arguments(target))
        if state is None:
            return None
        seen = _SEEN[host] = (stage, state)
        if stage == StateStage.Execute:
            spread.saw(host, target.plan, state)
    return seen[1]


def arguments(target: Target) -> dict[str, str]:
    """What the state fact is asked with."""
    below = target.plan.provision
    files = [path for s in below.sources for path in (*s.files, s.key_file)]
    lists = {
        "paths": target.paths,
        "operators": target.plan.operators,
        "files": [*files, *(FILES if below.amd_cards else ()), *([PODMAN_PLAIN] if below.plain else ())],
        "plain": below.plain,
        "packages": below.packages,
        "cards": (*below.cards, *below.amd_cards),
        "steps": (f"{s.service}|{_coded(s.check)}|{s.id}" for s in target.plan.steps),
        "models": [target.plan.below_models(d.path) for d in target.plan.downloads],
        "kept": [o.keep for o in target.plan.outputs if o.keep],
        "secrets": (f"{s.name} {_digest(target, s.name)}" for s in target.plan.secrets),
    }
    told = {"engine": below.engine, "root": target.plan.root, "release": target.release.id, "stack": target.plan.stack}
    told["compose"] = _coded(target.release.files["compose.yaml"].decode())
    return told | {k: "\n".join(v) for k, v in lists.items()}


def _digest(target: Target, name: str) -> str:
    return digest(target.given[name]) if name in target.given else ""


def _coded(text: str) -> str:
    """In Base64, which no shell takes for anything else."""
    return b64encode(text.encode()).decode()


def hurry(host: Host) -> None:
    """Send small packets at once: paramiko waits to fill them (Nagle's algorithm), ~40 ms on every command."""
    client = getattr(host.connector, "client", None)
    with suppress(AttributeError, OSError):
        if client:
            client.get_transport().sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
