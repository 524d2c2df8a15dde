"""Signs of findings, each as the shell that hosts run, on a root of files. Those of engines and disks: the lab."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gpufleet.catalog import findings
from gpufleet.facts.health import PRELUDE, parse_signs
from gpufleet.facts.section import Section, parse, probe
from tests.conftest import cases

CASES = [
    pytest.param(id_, case, id=f"{id_}-{n}") for id_, rows in cases("signs").items() for n, case in enumerate(rows)
]
# A whole host has these: an engine, a clock, a resolver, file systems.
IN_THE_LAB = {
    "ENG-DISK", "FLEET-UNREACHED", "GPU-CONTAINER-LOST", "GPU-IDLE", "GPU-ON-CPU", "HOST-DNS", "HOST-INODES",
    "HOST-SHM", "HOST-TIME", "NET-FIREWALL", "NET-MIRROR",
}  # fmt: skip
PLAIN = ("awk", "cat", "df", "grep", "head", "ls", "od", "sed", "sort", "tail", "timeout", "tr", "uniq")


@pytest.mark.usefixtures("shells")
@pytest.mark.parametrize("shell", ["sh", "bash", "busybox sh"])
@pytest.mark.parametrize(("id_", "case"), CASES)
def test_a_sign_says_what_it_sees(id_: str, case: dict[str, Any], shell: str, tmp_path: Path) -> None:
    assert seen(id_, case, shell, tmp_path) == case.get("says", [])


def seen(id_: str, case: dict[str, Any], shell: str, folder: Path) -> list[str]:
    """What the sign of a finding says where these files and tools are all that there is."""
    root, tools = folder / "root", folder / "bin"
    for path, content in {**case.get("files", {}), **case.get("more", {})}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            (root / path).symlink_to(content[3:])
        else:
            (root / path).write_text(content if "\0" in content else f"{content.rstrip()}\n")
    tools.mkdir()
    for tool in PLAIN:
        (tools / tool).symlink_to(str(shutil.which(tool)))
    for tool, body in case.get("tools", {}).items():
        (tools / tool).write_text(f"#!/bin/sh\n{body}\n")
        (tools / tool).chmod(0o755)
    script = f"{PRELUDE}(\n{findings()[id_].sign}\n) | sed 's/^/{id_} /'"
    section = Section("signs", script, parse_signs)
    program, *applet = shell.split()
    command = [
        str(shutil.which(program)),
        *applet,
        "-c",
        probe([section]),
    ]
    env = {"PATH": str(tools), "GPUFLEET_ROOT": str(root)}
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    found = parse([section], done.stdout.splitlines())["signs"]
    return [f"{where}: {what}" for where, what in found.get(id_, ())]


def test_every_sign_has_a_case_that_it_sees_and_says_nothing_of_a_bare_host(tmp_path: Path) -> None:
    signs = {id_ for id_, kind in findings().items() if kind.sign}
    told = {id_ for id_, rows in cases("signs").items() if any("says" in row for row in rows)}
    assert told | IN_THE_LAB == signs
    assert not told & IN_THE_LAB
    for n, id_ in enumerate(sorted(told)):
        (tmp_path / str(n)).mkdir()
        assert seen(id_, {}, "sh", tmp_path / str(n)) == [], id_


def test_no_sign_can_be_read_from_a_wrong_line() -> None:
    lines = ["HOST-DNS host\thub does not resolve", "HOST-DNS no tab", "NO-SUCH host\tx", "", "host\tx"]
    assert parse_signs(lines) == {"HOST-DNS": (("host", "hub does not resolve"),)}
