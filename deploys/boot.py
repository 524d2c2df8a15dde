"""What starts the containers at boot that Docker itself could not start."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path

from pyinfra.api.command import FileUploadCommand
from pyinfra.context import host

from ..schema import HostState, Plan
from .observe import Commands, Target, converging

UNIT = "/etc/systemd/system/gpufleet.service"
_TEXT = (Path(__file__).parent / "scripts/gpufleet.service").read_text(encoding="utf-8")


def right(plan: Plan, state: HostState) -> bool:
    """Whether the unit is there, enabled and as it should be."""
    return state.unit == sha256(_unit(plan)).hexdigest()


def _unit(plan: Plan) -> bytes:
    return _TEXT.replace("STACK", plan.stack).encode()


@converging
def starting(target: Target, state: HostState) -> Commands:
    """Install and enable a unit that starts what Docker failed to."""
    unit = _unit(target.plan)
    if right(target.plan, state):
        host.noop(UNIT)
        return
    yield FileUploadCommand(io.BytesIO(unit), UNIT)
    yield f"chmod 644 {UNIT} && systemctl -q enable gpufleet && systemctl restart gpufleet"
