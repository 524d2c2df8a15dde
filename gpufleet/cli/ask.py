"""Ask all hosts: pyinfra runs a deploy that writes a report, its own words are kept back unless it cannot."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import click

from ..schema import Forecast, Stock
from .text import console

ReportT = TypeVar("ReportT", Forecast, Stock)
# What pyinfra says, and goes on or ends without any host; where, and as what, an exception in the user's files is told.
_USAGE = re.compile(r"No host matches found for (--limit) pattern: (.*)|(\S+) is neither an inventory file")
_PLACE = re.compile(r'File "((?:(?!/site-packages/)[^"<])+)", line (\d+)')
_ERROR = re.compile(r"(?:--> pyinfra error: |(?=\w*Error: ))(.*)")
_PYINFRA = (sys.executable, "-m", "pyinfra")
MOST = 40  # lines
_FINE = ("Ready: ", "Success", "No changes", "Skipped")  # no complaints about a host
_FAR = re.compile(r"\[[^\]]+\] +models: \d")
_ABOUT = re.compile(r"\[(?P<host>[^\]]+)\]\s+(?P<what>\S.*)")


class Unasked(Exception):
    """No host could be asked. ``usage``: because of the command line, ``where``: of this command."""

    def __init__(self, why: str, usage: bool = False) -> None:
        super().__init__(why)
        self.usage = usage
        context = click.get_current_context(silent=True)
        self.where = context.command_path if context else "gpufleet"


def ask(
    kind: type[ReportT], deploy: str, inventory: str, limit: tuple[str, ...], data: tuple[str, ...], *more: str
) -> ReportT:
    """What the deploy of this name reports of all hosts; raises Unasked. ``more``: what else the deploy is told."""
    with waiting("asking the hosts ..."), TemporaryDirectory() as folder:
        report, lines = Path(folder) / "report.json", list[str]()
        told = (inventory, f"gpufleet.deploys.{deploy}", f"report={report}", *more)
        code = heard(lines, "-y", *options(limit, data), *told)
        said = "".join(lines)
        check_read(said, inventory, "--> Connecting to hosts" in said or report.exists())
        found = kind.model_validate_json(report.read_text()) if report.exists() else kind(hosts={})
    found = completed(found, said)
    if not found.hosts:
        raise nobody(inventory, code, said)
    return found


def nobody(inventory: str, code: int, said: str) -> Unasked:
    """Why no host was asked, of all that pyinfra ``said`` and its exit code."""
    if not code:
        return empty(inventory)
    errors = _ERROR.findall(said)
    what = f" {errors[-1]}; mend that, then run again" if errors else f"\n{said.strip()}"
    return Unasked(f"pyinfra ended before it had asked any host:{what}")


def pyinfra(*args: str) -> subprocess.CompletedProcess[str]:
    """Run it, where nobody can be asked."""
    return subprocess.run([*_PYINFRA, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def heard(said: list[str], *args: str) -> int:
    """The exit code of pyinfra; ``said`` gets all that it says, and how far a host is, is passed on meanwhile."""
    command, pipe = [*_PYINFRA, *args], subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, text=True) as child:
        try:
            for line in child.stdout or ():
                said.append(line)
                if _USAGE.search(line):
                    child.terminate()  # nothing is to be done for the hosts that were meant rightly
                if _FAR.match(line.strip()):
                    click.echo(" ".join(line.split()), err=True)
        except BaseException:
            _end(child)
            raise
    return child.returncode


def _end(child: subprocess.Popen[str]) -> None:
    """It may note what it did."""
    child.send_signal(signal.SIGINT)
    try:
        child.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()


def waiting(what: str) -> AbstractContextManager[object]:
    """Says at a terminal that it takes a while."""
    err = console(stderr=True)
    return err.status(what) if err.is_terminal else nullcontext()


def options(limit: tuple[str, ...], data: tuple[str, ...]) -> list[str]:
    """These options, as pyinfra takes them.

    >>> options(("gpu1",), ("bind=0.0.0.0",))
    ['--limit', 'gpu1', '--data', 'bind=0.0.0.0']
    """
    return [word for name, values in (("--limit", limit), ("--data", data)) for v in values for word in (name, v)]


def check_read(said: str, inventory: str, loaded: bool) -> None:
    """Raises Unasked where pyinfra, which ``said`` this, found no inventory, or could not load it."""
    if wrong := _USAGE.search(said):
        raise Unasked(_told(wrong, inventory), usage=True)
    if not loaded:
        raise Unasked(unread(said, inventory), usage=True)


def empty(inventory: str) -> Unasked:
    return Unasked(f"INVENTORY: {inventory} has no hosts; write them into groups: cpu = ['HOST']", usage=True)


def _told(wrong: re.Match[str], inventory: str) -> str:
    option, pattern, _ = wrong.groups()
    if option:
        return f"{option}: no host or group of {inventory} is '{pattern}'"
    return f"INVENTORY: {inventory} is no file, host, connector or Python module"


def unread(said: str, inventory: str) -> str:
    """The line for an inventory, or a file of its group_data, that pyinfra could not load: the last that it told."""
    errors, places = _ERROR.findall(said), _PLACE.findall(said)
    where = ":".join(places[-1]) if places else inventory
    return f"INVENTORY: {where}: {errors[-1] if errors else 'cannot be loaded'}"


def completed(found: ReportT, said: str) -> ReportT:
    """``found`` with what pyinfra said of hosts that failed: it alone knows why, and of none if all did."""
    hosts = dict(found.hosts)
    for name, why in complaints(said).items():
        if name not in hosts or hosts[name].state == "failed":
            hosts[name] = found.failed(why)
    return type(found)(hosts=dict(sorted(hosts.items())))


def complaints(said: str) -> dict[str, str]:
    """The last that pyinfra said of each host, but for that it was reached."""
    met, found = set[str](), dict[str, str]()
    for told in filter(None, (_ABOUT.fullmatch(line.strip()) for line in said.splitlines())):
        name, what = told["host"], told["what"]
        if what == "Connected":
            met.add(name)
        elif not what.startswith(_FINE):
            found[name] = what if name in met else f"host: cannot be reached: {what}; mend that, then run again"
    return found


def last_words(said: str) -> dict[str, list[str]]:
    """By host the last lines that pyinfra said of it, of the operation in which it said any."""
    found: dict[str, tuple[int, list[str]]] = {}
    turn = 0
    for line in said.splitlines():
        turn += line.startswith("--> ")
        told = _ABOUT.fullmatch(line.strip())
        if told and not told["what"].startswith((*_FINE, "Error: executed ")):
            before = found.get(told["host"], (0, []))
            found[told["host"]] = (turn, [*(before[1] if before[0] == turn else []), told["what"]][-MOST:])
    return {name: lines for name, (_, lines) in found.items()}
