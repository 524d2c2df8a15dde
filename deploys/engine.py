"""The container engine and its compose plugin, from the distribution."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra.api.operation import operation
from pyinfra.context import host

from .observe import Target, forget, observe
from .script import script


@operation()
def installed(target: Target, packages: tuple[str, ...]) -> Generator[str, None, None]:
    """Install the engine's packages where the engine or its compose plugin is missing."""
    if {"docker", "compose"} <= set(observe(host, target).tools):
        host.noop("docker and its compose plugin")
        return
    yield script("install", packages=" ".join((*packages, "ca-certificates", "curl")))
    forget(host)
