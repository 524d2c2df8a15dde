"""What makes AMD's CDI devices at every boot: a program of ours and its unit."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from pyinfra.api.command import FileUploadCommand

from ..plan.amd import ENABLED, PROGRAM, UNIT
from ..plan.drift import altered_files
from ..schema import HostState, Plan
from .observe import Commands

_SCRIPTS = Path(__file__).parent / "scripts"


@cache
def _files() -> dict[str, str]:
    """Their texts by path; what enables the unit leads to it."""
    program, unit = (
        (_SCRIPTS / name).read_text(encoding="utf-8") for name in (f"{Path(PROGRAM).name}.sh", Path(UNIT).name)
    )
    return {PROGRAM: program, UNIT: unit, ENABLED: unit}


def altered(plan: Plan, state: HostState) -> tuple[str, ...]:
    """Of these files the ones that are not as they should be; none where no card needs them."""
    return altered_files(_files(), state.plumbing) if plan.provision.amd_cards else ()


def written() -> Commands:
    """Put them there, and have the specification made at every boot."""
    yield f"mkdir -p {Path(PROGRAM).parent}"
    for path in (PROGRAM, UNIT):
        yield FileUploadCommand(io.BytesIO(_files()[path].encode()), path)
    unit = Path(UNIT).name
    yield f"chmod 755 {PROGRAM} && chmod 644 {UNIT} && systemctl daemon-reload && systemctl -q reenable {unit}"
