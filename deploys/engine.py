"""The container engine and its compose plugin, from the distribution."""

from __future__ import annotations

from pyinfra.context import host

from ..schema import HostState
from .observe import Commands, Target, converging
from .script import script


@converging
def installed(target: Target, state: HostState, packages: tuple[str, ...]) -> Commands:
    """Install the engine's packages where the engine or its compose plugin is missing."""
    if {"docker", "compose"} <= set(state.tools):
        host.noop("docker and its compose plugin")
        return
    yield script("install", packages=" ".join((*packages, "ca-certificates", "curl")))
