"""Ask all hosts: pyinfra runs the forecast deploy, its own words are kept back unless it cannot."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ..schema import Forecast, HostForecast

# What pyinfra says, and goes on or ends without any host; where, and as what, an exception in the user's files is told.
_USAGE = re.compile(r"No host matches found for (--limit) pattern: (.*)|(\S+) is neither an inventory file")
_PLACE = re.compile(r'File "((?:(?!/site-packages/)[^"<])+)", line (\d+)')
_ERROR = re.compile(r"(?:--> pyinfra error: |(?=\w*Error: ))(.*)")
_ABOUT = re.compile(r"\[(?P<host>[^\]]+)\]\s+(?P<what>\S.*)")


class Unasked(Exception):
    """No host could be asked. ``usage``: because of the command line."""

    def __init__(self, why: str, usage: bool = False) -> None:
        super().__init__(why)
        self.usage = usage


def ask(inventory: str, limit: tuple[str, ...], data: tuple[str, ...]) -> Forecast:
    """The forecast of all hosts; raises Unasked."""
    options = [word for name, values in (("--limit", limit), ("--data", data)) for v in values for word in (name, v)]
    with TemporaryDirectory() as folder:
        report = Path(folder) / "forecast.json"
        command = [sys.executable, "-m", "pyinfra", "-y", *options, inventory]
        done = subprocess.run(
            [*command, "gpufleet.deploys.forecast", f"report={report}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        check_read(said, inventory, "--> Connecting to hosts" in said or report.exists())
        found = Forecast.model_validate_json(report.read_text()) if report.exists() else Forecast(hosts={})
    found = completed(found, said)
    if not found.hosts and not done.returncode:
        raise empty(inventory)
    if not found.hosts:
        errors = _ERROR.findall(said)
        what = f" {errors[-1]}; mend that, then run again" if errors else f"\n{said.strip()}"
        raise Unasked(f"pyinfra ended before it had asked any host:{what}")
    return found


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


def completed(found: Forecast, said: str) -> Forecast:
    """``found`` with what pyinfra said of hosts that failed: it alone knows why, and of none if all did."""
    hosts, met = dict(found.hosts), set[str]()
    for told in filter(None, (_ABOUT.fullmatch(line.strip()) for line in said.splitlines())):
        name, what = told["host"], told["what"]
        if what == "Connected":
            met.add(name)
        elif name not in hosts or hosts[name].state == "failed":
            why = what if name in met else f"host: cannot be reached: {what}; mend that, then run again"
            hosts[name] = HostForecast(state="failed", problems=(why,))
    return Forecast(hosts=dict(sorted(hosts.items())))
