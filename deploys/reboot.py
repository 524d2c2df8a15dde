"""The one gate for reboots: after all packages, before anything that needs what they brought, one host at a time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click
from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import StateStage
from pyinfra.context import host

from ..plan.window import inside
from ..schema import HostState, Provision
from . import journal
from .observe import Commands, Target, converging

DEADLINE = 1800  # seconds: servers with many cards take long to start
_ONE = BoundedSemaphore(1)
_LOST: list[str] = []  # hosts that did not come back: whatever it was, it shall not be the next one's too


@converging
def gate(target: Target, state: HostState, again: Callable[[Host], bool]) -> Commands:
    """Reboot where that is allowed, and plan ``again``; else say what waits for it."""
    why = against(host, target.plan.provision)
    if not why:
        yield FunctionCommand(lambda state, host: _pass(host, target.plan.provision, again), (), {})
    elif host.state.current_stage == StateStage.Execute:
        _wait(host, target.plan.provision, why)


def against(host: Host, wanted: Provision) -> str | None:
    """Why this host cannot be rebooted now, and what to do."""
    if wanted.reboot == "never" or (wanted.reboot == "ask" and not sys.stdin.isatty()):
        nobody = "there is no terminal to ask at" if wanted.reboot == "ask" else "reboot = 'never'"
        return f"{nobody}; reboot it (or set reboot = 'when_needed')"
    _, output = host.run_shell_command(StringCommand("date +%H:%M"))
    if wanted.reboot_window and not inside(output.stdout, wanted.reboot_window):
        return f"it is {output.stdout} there, reboot_window is {wanted.reboot_window}; wait, or reboot it"
    return None


def _pass(host: Host, wanted: Provision, again: Callable[[Host], bool]) -> bool:
    with _ONE:
        if _LOST:
            _wait(host, wanted, f"{_LOST[0]} did not come back from its reboot; look at that first")
            return True
        if wanted.reboot == "ask" and not click.confirm(f"{host.print_prefix}{wanted.pending}. Reboot it now?"):
            _wait(host, wanted, "the answer was no; reboot it")
            return True
        logger.info("%srebooting: %s", host.print_prefix, wanted.pending)
        if not _reboot(host):
            _LOST.append(host.name)
            what = f"did not come back within {DEADLINE} s of its reboot; look at its console"
            logger.error("%shost: %s", host.print_prefix, what)
            return False
        logger.info("%sis back", host.print_prefix)
    return again(host)


def _wait(host: Host, wanted: Provision, why: str) -> None:
    logger.warning("%sgpus: %s; %s, then run again", host.print_prefix, wanted.pending, why)
    journal.note(host, "waits")


def _reboot(host: Host) -> bool:
    """Reboot and wait until the host answers from another boot."""
    before = _boot(host)
    host.run_shell_command(StringCommand("( sleep 1; systemctl reboot ) </dev/null >/dev/null 2>&1 &"))
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        time.sleep(3)
        host.disconnect()
        host.connect(show_errors=False)
        if host.connected and _boot(host) not in ("", before):
            return True
    return False


def _boot(host: Host) -> str:
    """The running boot's id; empty where the host does not say."""
    done, output = host.run_shell_command(StringCommand("cat /proc/sys/kernel/random/boot_id"))
    return output.stdout if done else ""
