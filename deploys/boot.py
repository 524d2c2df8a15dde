"""What starts the containers at boot that the engine itself does not start."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path

from pyinfra.api.command import FileUploadCommand
from pyinfra.context import host

from ..schema import HostState, Plan
from .observe import Commands, Target, converging

UNIT = "/etc/systemd/system/gpufleet@.service"  # an instance for each stack
_SCRIPTS = Path(__file__).parent / "scripts"


def right(plan: Plan, state: HostState) -> bool:
    """Whether the unit is there, enabled and as it should be."""
    return state.unit == digest(plan)


def digest(plan: Plan) -> str:
    """sha256 of the unit as it should be."""
    return sha256(_unit(plan)).hexdigest()


def _unit(plan: Plan) -> bytes:
    return (_SCRIPTS / f"{plan.provision.engine}.service").read_bytes()


@converging
def starting(target: Target, state: HostState) -> Commands:
    """Install and enable a unit that starts what the engine does not."""
    unit = _unit(target.plan)
    if right(target.plan, state):
        host.noop(UNIT)
        return
    yield FileUploadCommand(io.BytesIO(unit), UNIT)
    instance = f"gpufleet@{target.plan.stack}"
    yield f"chmod 644 {UNIT} && systemctl -q reenable {instance} && systemctl restart {instance}"
