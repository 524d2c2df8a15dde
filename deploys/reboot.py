"""The one gate for reboots: after all packages, before anything that needs what they brought."""

from __future__ import annotations

import time

from pyinfra import logger
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import StateStage
from pyinfra.context import host

from ..schema import HostState
from .observe import Commands, Target, converging

DEADLINE = 1800  # seconds: servers with many cards take long to start
BOOT = StringCommand("cat /proc/sys/kernel/random/boot_id")


@converging
def gate(target: Target, state: HostState) -> Commands:
    """Reboot where that is allowed, else say what waits for it."""
    wanted = target.plan.provision
    if wanted.reboot:
        yield FunctionCommand(lambda state, host: _reboot(host), (), {})
    if host.state.current_stage == StateStage.Execute:
        then = "run again" if wanted.reboot else "reboot it (or set reboot = 'when_needed'), then run again"
        logger.warning("%sgpus: %s; %s", host.print_prefix, wanted.pending, then)


def _reboot(host: Host) -> None:
    """Reboot and wait until the host answers from another boot."""
    before = _boot(host)
    host.run_shell_command(StringCommand("( sleep 1; systemctl reboot ) </dev/null >/dev/null 2>&1 &"))
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        time.sleep(3)
        host.disconnect()
        host.connect(show_errors=False)
        if host.connected and _boot(host) not in ("", before):
            return
    raise PyinfraError(f"host: did not come back within {DEADLINE} s of its reboot; look at its console")


def _boot(host: Host) -> str:
    """The running boot's id; empty where the host does not say."""
    done, output = host.run_shell_command(BOOT)
    return output.stdout if done else ""
