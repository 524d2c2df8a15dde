"""Parsers over what hosts print, and the probe itself in the shells that hosts have."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyinfra.api.exceptions import FactProcessError

from gpufleet.facts import system
from gpufleet.facts.health import Checkup
from gpufleet.facts.host import SECTIONS, Facts
from gpufleet.facts.kept import Kept
from gpufleet.facts.section import Section, parse
from gpufleet.facts.state import SECTIONS as STATE_SECTIONS
from gpufleet.schema import Noun
from tests.conftest import cases

ALL: dict[str, Section[Any]] = {s.name: s for s in (*SECTIONS, *STATE_SECTIONS)}


def _plain(value: Any) -> Any:
    """A parser's value as plain data."""
    if isinstance(value, Noun):
        return value.to_json()
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def _stated(expected: Any, got: Any) -> Any:
    """``got``, of each mapping only the keys that ``expected`` states."""
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        return [_stated(e, g) for e, g in zip(expected, got, strict=True)]
    return {k: _stated(v, got.get(k)) for k, v in expected.items()} if isinstance(expected, dict) else got


@pytest.mark.parametrize("case", cases("sections").values(), ids=cases("sections").keys())
def test_section(case: dict[str, Any]) -> None:
    got = _plain(ALL[case["section"]].parse(case["lines"]))
    assert _stated(case["expect"], got) == case["expect"]


@pytest.mark.usefixtures("shells")
@pytest.mark.parametrize("shell", ["dash", "bash --posix", "busybox sh"])
def test_probe_runs_in_every_shell(shell: str, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"12345")
    script = Facts().command(root=str(tmp_path / "new"), models=str(tmp_path / "model.gguf"))
    run = subprocess.run([*shell.split(), "-c", script], capture_output=True, text=True, check=True, timeout=60)
    facts = Facts().process(run.stdout.splitlines())
    assert run.stderr == ""
    assert facts.system.memory_mib > 0
    assert facts.disks[0].writable
    assert facts.disks[0].free_mib <= facts.disks[0].total_mib
    assert facts.present == {str(tmp_path / "model.gguf"): 5}
    assert json.dumps(facts.to_json())
    assert list(tmp_path.iterdir()) == [tmp_path / "model.gguf"]  # the probe writes nothing


def test_the_doctor_is_asked_all_that_a_run_is() -> None:
    """It is asked in one go what both want to know."""
    asked = {*inspect.signature(Facts().command).parameters}
    assert asked <= {*inspect.signature(Checkup().command).parameters}


def test_an_answer_cut_short_is_an_error_of_this_host_alone() -> None:
    with pytest.raises(FactProcessError, match="cut short"):
        parse([system.SECTION], ["@@ system", "distro debian"])
    with pytest.raises(FactProcessError, match="cannot be read"):
        parse([system.SECTION], ["@@ sys", "@@ end"])


def test_kept_files_are_read_whole_or_not_at_all(tmp_path: Path) -> None:
    """Their folder may be a container's: what is in the place of a file is not followed, and not waited for."""
    for name, data in {
        "a b.yaml": "ä: 1\n".encode(),
        "empty": b"",
        "binary": b"\xff\0",
        "long": b"#" * 2**20 + b"\n",
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link").symlink_to("a b.yaml")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    names = ("a b.yaml", "empty", "binary", "long", "link", "dangling", "folder", "pipe", "none")
    script = Kept().command(kept="\n".join(str(tmp_path / name) for name in names))
    run = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    found = {Path(path).name: file for path, file in Kept().process(run.stdout.splitlines()).items()}
    assert {name: file.why or file.text.get_secret_value() for name, file in found.items()} == {
        "a b.yaml": "ä: 1\n",
        "empty": "",
        "binary": "is no UTF-8 text",
        "long": "is longer than 1048576 bytes",
        "link": "is a symbolic link, not a file",
        "dangling": "is a symbolic link, not a file",
        "folder": "is a directory, not a file",
        "pipe": "is a fifo, not a file",
    }
    assert "ä" not in repr(found) + json.dumps([file.to_json() for file in found.values()])


@given(name=st.sampled_from(sorted(ALL)), data=st.data())
def test_parsers_survive_anything(name: str, data: st.DataObject) -> None:
    """Lines of any section, cut, mixed and mutilated: never an exception."""
    pool = [line for case in cases("sections").values() for line in case["lines"]]
    lines = data.draw(st.lists(st.one_of(st.sampled_from(pool), st.text(max_size=30)), max_size=8))
    cut = [line[: data.draw(st.integers(0, len(line)))] if data.draw(st.booleans()) else line for line in lines]
    ALL[name].parse(cut)
