"""The engine's configuration, and the CDI devices that it hands to containers."""

from __future__ import annotations

import io

from pyinfra.api.command import FileUploadCommand
from pyinfra.context import host

from ..plan.daemon import PATH, merged
from ..plan.drift import cdi_devices, missing_devices
from ..plan.provision import PODMAN_PLAIN, UNITS, coming, daemon, loaded, podman_plain, right
from ..schema import HostState
from . import amd
from .observe import Commands, Target, converging
from .script import script


@converging
def configured(target: Target, state: HostState) -> Commands:
    """Merge what is needed into daemon.json, restart dockerd where it has not loaded that; or start Podman's socket."""
    provision, have = target.plan.provision, state.plumbing
    if right(provision, have) and loaded(provision, have) and not coming(provision, have):
        host.noop(UNITS[provision.engine])
        return
    if provision.engine == "podman" or have.disabled or have.stopped:
        yield script("start", unit=UNITS[provision.engine])
    if provision.engine == "podman":
        if provision.plain:
            yield f"mkdir -p {PODMAN_PLAIN.rpartition('/')[0]}"
            yield FileUploadCommand(io.BytesIO(podman_plain(provision).encode()), PODMAN_PLAIN)
        return
    if coming(provision, have):
        yield "true"  # whether it has to be told anything is known when it is there
        return
    new = merged(have.daemon, daemon(provision, have))
    if new is not None:
        yield FileUploadCommand(io.BytesIO(new.encode()), f"{PATH}.new")
    if new is not None or not loaded(provision, have):
        # Of registries it is told while it runs.
        cards = provision.but_plain
        how = "reload" if right(cards, have) and loaded(cards, have) else "restart"
        yield script("daemon", path=PATH, how=how)


@converging
def cdi(target: Target, state: HostState) -> Commands:
    """Have the specification of CDI devices made where a planned card is not in it."""
    provision, altered = target.plan.provision, amd.altered(target.plan, state)
    missing = missing_devices(provision, state) if not altered else cdi_devices(provision)
    if not missing:
        host.noop(f"{len(cdi_devices(provision))} CDI devices")
        return
    if altered:
        yield from amd.written()
    yield script("cdi", missing=" ".join(missing))
