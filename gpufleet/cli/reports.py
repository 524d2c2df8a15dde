"""A report in files: JSON, Markdown for a pull request, JUnit's XML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import click

from ..schema import HostReport, Report
from . import outcome

WRONG = {"failed": "failure", "stopped": "failure", "blocked": "error", "waits": "skipped"}


def checked(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[Path, ...]:
    """Files that can be written, before anything is done."""
    files = tuple(map(Path, values))
    for file in files:
        if file.suffix not in FORMS:
            raise click.BadParameter(f"'{file}' ends with none of {', '.join(FORMS)}.", ctx=ctx, param=option)
        try:
            file.touch()
        except OSError as error:
            raise click.BadParameter(f"'{file}': {error.strerror}.", ctx=ctx, param=option) from None
        if file.is_dir():
            raise click.BadParameter(f"'{file}' is a folder.", ctx=ctx, param=option)
    return files


def write(file: Path, found: Report) -> None:
    """Raises OSError."""
    file.write_text(FORMS[file.suffix](found), encoding="utf-8")


def _json(found: Report) -> str:
    return found.model_dump_json(indent=1) + "\n"


def markdown(found: Report) -> str:
    """A table of the hosts, and what is to be read of each that changed or failed."""
    rows = [
        f"| {name} | {outcome.STATES[h.state][0]} | {_did(h)} | {h.seconds:.0f} s |" for name, h in found.hosts.items()
    ]
    head = [
        f"**gpufleet**: {outcome.summary(found)}",
        "",
        "| host | outcome | what | time |",
        "| --- | --- | --- | --- |",
    ]
    wrong = {name: [*h.problems, *(h.failure.said if h.failure else ())] for name, h in found.hosts.items()}
    details = [part for name, said in wrong.items() if said for part in ("", f"**{name}**", "", *_quoted(said))]
    return "\n".join([*head, *rows, *details]) + "\n"


def _did(host: HostReport) -> str:
    failed = [f"{host.failure.name}: failed"] if host.failure else []
    return ", ".join([*(s.name for s in host.operations if not s.failed), *failed])


def _quoted(said: list[str]) -> list[str]:
    """As code: indented, so that nothing in it ends it."""
    return [f"    {line}" for text in said for line in text.splitlines()]


def junit(found: Report) -> str:
    """A test of each host."""
    kinds = [WRONG.get(host.state) for host in found.hosts.values()]
    suite = ElementTree.Element("testsuite", name="gpufleet apply", timestamp=found.started, time=f"{found.seconds}")
    suite.attrib |= {"tests": str(len(kinds)), "failures": str(kinds.count("failure"))}
    suite.attrib |= {"errors": str(kinds.count("error")), "skipped": str(kinds.count("skipped"))}
    for name, host in found.hosts.items():
        case = ElementTree.SubElement(suite, "testcase", classname="gpufleet", name=name, time=f"{host.seconds}")
        if kind := WRONG.get(host.state):
            ElementTree.SubElement(case, kind, message=outcome.STATES[host.state][0]).text = _plain(
                "\n".join(outcome.lines(host))
            )
        ElementTree.SubElement(case, "system-out").text = _plain("\n".join(c.what for c in host.changes))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _plain(text: str) -> str:
    """XML has no word for most control characters."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


FORMS: dict[str, Callable[[Report], str]] = {".json": _json, ".md": markdown, ".xml": junit}
