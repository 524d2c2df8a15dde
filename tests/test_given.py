"""Secrets that the user has: read here, told to nobody but the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpufleet.deploys.given import given, stdin
from gpufleet.errors import Refused
from gpufleet.schema import Secret

TOKEN = Secret(name="TOKEN", given="https://example.com")


@pytest.mark.parametrize(
    ("value", "line"),
    [("hf_a1", "hf_a1"), ("a b", "'a b'"), ("$x#`", "'$x#`'"), ('"', "'\"'"), ("ü", "ü")],
)
def test_a_value_is_written_as_compose_and_a_shell_read_it(
    value: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", value)
    found = given({"TOKEN": "env:MINE", "OTHER": "env:NOT"}, [TOKEN], [])
    assert stdin(found) == f"TOKEN={line}\n"
    assert value not in repr(found)


def test_a_file_is_read_without_its_last_end_of_line(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_a1\n")
    assert stdin(given({"TOKEN": f"file:{tmp_path}/token"}, [TOKEN], [])) == "TOKEN=hf_a1\n"


@pytest.mark.parametrize(
    ("source", "value", "line"),
    [
        ("env:MINE", "", "the variable MINE is not set on this machine; export MINE, and run again"),
        ("file:/nowhere", "", "/nowhere is not there, or cannot be read on this machine; write the value into it"),
        ("env:MINE", "it's", "has a quote or more than one line; use another value"),
        ("env:MINE", "a\nb", "has a quote or more than one line; use another value"),
    ],
)
def test_what_cannot_be_given_is_refused(source: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", value)
    with pytest.raises(Refused) as refused:
        given({"TOKEN": source}, [TOKEN], [])
    assert line in str(refused.value)
    assert not value or value not in str(refused.value)


def test_what_is_not_here_but_on_the_host_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINE", raising=False)
    assert given({"TOKEN": "env:MINE"}, [TOKEN], ["TOKEN"]) == {}
