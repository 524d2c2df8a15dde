"""`gpufleet apply`: what is told of a run, by its journal; the runs themselves are in test_lab_apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gpufleet import cli
from gpufleet.cli import outcome, reports
from gpufleet.cli.codes import worst
from gpufleet.cli.run import hosts_of
from gpufleet.cli.text import console
from gpufleet.schema import Report
from tests.conftest import cases

CASES: dict[str, dict[str, Any]] = cases("apply")


def report(name: str) -> Report:
    hosts = hosts_of(CASES[name]["journal"], CASES[name].get("said", ""))
    return Report(programs={"gpufleet": "1"}, started="2026-01-01T00:00:00+00:00", seconds=2.5, hosts=hosts)


@pytest.mark.parametrize("name", CASES)
def test_what_a_journal_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = report(name)
    outcome.show(console(), found)
    assert capsys.readouterr().out.splitlines() == [*CASES[name]["page"], outcome.summary(found)]
    assert worst(host.state for host in found.hosts.values()) == CASES[name]["code"]
    assert Report.model_validate_json(found.model_dump_json()) == found


def test_markdown_and_junit_have_every_host_and_every_failure() -> None:
    found = report("a failure, the same on two hosts")
    page = reports.markdown(found)
    assert "| a | failed | Make the secrets, Run the release: failed | 2 s |" in page
    assert page.count("    no model") == 2
    suite = ElementTree.fromstring(reports.junit(found))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "2", "0")
    assert ["no model" in (case.findtext("failure") or "") for case in suite] == [True, True]


def test_what_programs_say_breaks_no_report() -> None:
    said = ["a | b", "```", "<b>&amp;", "\x1b[31mred\x00"]
    journal = [
        {**event, "said": said} if event.get("failed") else event for event in CASES["ended in the middle"]["journal"]
    ]
    journal.append({**journal[-1], "name": "Run the release", "failed": True, "said": said})
    found = report("nothing to do").model_copy(update={"hosts": hosts_of(journal, "")})
    assert ElementTree.fromstring(reports.junit(found)).findtext("testcase/failure")
    table = [line for line in reports.markdown(found).splitlines() if line.startswith("|")]
    assert len(table) == 3


@pytest.mark.parametrize("file", ["report.txt", "nowhere/report.json"])
def test_a_report_that_cannot_be_written_is_told_first(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inventory.py").write_text("cpu = []\n")
    assert cli.main(["apply", "inventory.py", "--report", file]) == 64
    said = capsys.readouterr().err
    assert said.startswith("gpufleet apply: Invalid value for '--report': ")
    assert said.count("\n") == 1
