"""Commands and pipelines of the docs are ones."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet import cli
from tests.test_docs import ROOT, blocks

EXPORTS = [line for _, block in blocks("sh") for line in block.splitlines() if line.startswith("gpufleet export")]


@pytest.mark.parametrize("line", EXPORTS)
def test_exports_in_the_docs_work(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(shlex.split(line)[1:]) == 0
    assert list(tmp_path.glob("*/Chart.yaml"))


def _commands() -> list[str]:
    """Every `gpufleet ...` that the docs give to be typed, or to be copied."""
    text = "\n".join([*(block for _, block in blocks("sh")), *(f.read_text() for f in (ROOT / "docs/ci").iterdir())])
    return re.findall(r"(?<![\w./`-])gpufleet ([a-z][^#|&\n]*)", text)


@pytest.mark.parametrize("line", sorted({*_commands()}))
def test_commands_in_the_docs_are_commands(line: str) -> None:
    known: Any = cli.command
    words = shlex.split(line.replace("[", "").replace("]", ""))
    while hasattr(known, "commands"):
        known = known.commands[words.pop(0)]
    options = {name for option in known.params for name in (*option.opts, *option.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= options


@pytest.mark.parametrize("file", ["github.yml", "gitlab.yml"])
def test_pipelines_in_the_docs_can_be_read(file: str) -> None:
    assert yaml.safe_load((ROOT / "docs" / "ci" / file).read_text())
