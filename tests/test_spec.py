"""The lab's own words: what a host may be called and be. Nothing is booted."""

from __future__ import annotations

import sys

import pytest

from tests.lab import LabError, __main__, spec


@pytest.mark.parametrize("word", ["--help", "-x", "--no-seed"])
@pytest.mark.parametrize("command", ["up", "down", "wipe"])
def test_an_option_is_no_hosts_name(
    command: str, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["lab", command, "lab1", word])
    with pytest.raises(SystemExit):
        __main__.main()
    assert f"lab: error: {word} is no host's name; options come before the command" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["cpu", "rtx4090@bookworm", "two-nvidia+none", "cpu@sid+none"])
def test_a_host_reads_as_it_is_written(text: str) -> None:
    assert str(spec.read(text)) == text


@pytest.mark.parametrize("text", ["", "@sid", "cpu+", "cpu@potato", "cpu+lxc", "voodoo", "cpu@rocky", "cpu@sid+podman"])
def test_what_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(LabError):
        spec.read(text)
