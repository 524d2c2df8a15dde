"""`gpufleet doctor`: what is wrong on the hosts, with an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from . import options
from .ask import check_read, complaints, heard, nobody, waiting
from .ask import options as spelled
from .codes import worst

# What a program that calls it should do about a finding, in words of states.
STATES = {"blocks": "blocked", "warns": "changes", "informs": "same"}


@click.command()
@options.hosts
@click.option("--json", "as_json", is_flag=True, help="Hosts with their cards, and findings with their hosts, as JSON.")
def doctor(inventory: str, limit: tuple[str, ...], data: tuple[str, ...], as_json: bool) -> int:
    """Say what is wrong on the hosts of INVENTORY, each finding once with its evidence, cause and fix; change nothing.

    Ends with 0 when there is nothing to mend, 2 when something warns, 3 when something blocks, 1 when a host could not
    be asked, 64 when the command line is wrong.
    """
    with waiting("asking the hosts ..."), TemporaryDirectory() as folder:
        report, page, lines = Path(folder) / "report.json", Path(folder) / "page", list[str]()
        told = (inventory, "gpufleet.deploys.doctor", f"report={report}", f"page={page}")
        code = heard(lines, "-y", *spelled(limit, data), *told)
        said = "".join(lines)
        check_read(said, inventory, "--> Connecting to hosts" in said or report.exists())
        found = json.loads(report.read_text(encoding="utf-8")) if report.exists() else None
        printed = page.read_text(encoding="utf-8") if page.exists() else ""
    if found is None:
        return _none(said, inventory, code)
    click.echo(json.dumps(found, indent=1) if as_json else printed, nl=as_json)
    return worst(_states(found))


def _none(said: str, inventory: str, code: int) -> int:
    """No host could be asked: a line of each. Raises Unasked where pyinfra ended before that."""
    found = complaints(said)
    if not found:
        raise nobody(inventory, code, said)
    for name, why in found.items():
        click.echo(f"{name}: {why}", err=True)
    return worst(["failed"])


def _states(found: dict[str, Any]) -> set[str]:
    severities = (seen["severity"] for finding in found["findings"] for seen in finding["seen"])
    failed = {"failed" for host in found["hosts"].values() if host["problem"]}
    return failed | {STATES[severity] for severity in severities}
