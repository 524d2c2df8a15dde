"""The host's file of secrets: which lines Compose cannot read is told by their numbers alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gpufleet.facts.env import WRONG, WRONG_SECTION

CASES: dict[str, tuple[str, tuple[int, ...]]] = {
    "nothing": ("", ()),
    "as it is written": ("# for api\nAPI_TOKENS=abc\n\n  # mine\nA=\n", ()),
    "what Compose takes as well": ("export A=1\nB = 2\nC: 3\nD\nE.f-g[0]=x y\r\n\tH=1\n", ()),
    "no assignment": ("A=1\nthis is no line\n", (2,)),
    "a space in a name": ("X Y=3\n", (1,)),
    "another letter in a name": ("A=1\nB!=secret\nC=1\n%\n", (2, 4)),
    "a value of several lines": ('A="-----BEGIN\nno line\nEND-----"\nB=1\nnor this\n', (5,)),
    "a quote of the other kind within": ("A='it is \"so\nB=1'\nB=1\n", ()),
    "a quote that does not end": ('A=1\nB="x\nC=1\n', (2,)),
    "quotes in a value": ("A=it's\nB='x' y\n", ()),
}


@pytest.mark.usefixtures("shells")
@pytest.mark.parametrize("awk", ["awk", "busybox awk"])
@pytest.mark.parametrize("name", CASES)
def test_lines_that_cannot_be_read(name: str, awk: str, tmp_path: Path) -> None:
    text, wrong = CASES[name]
    (tmp_path / ".env").write_text(text)
    script = f"root={tmp_path}\n{WRONG.replace('awk', awk, 1)}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert WRONG_SECTION.parse(done.stdout.splitlines()) == wrong
