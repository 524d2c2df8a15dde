"""A package manager whose lock is never let go: the run ends, in one line. Real managers, and real locks: the lab."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gpufleet.deploys.script import script

# What each says and ends with, and how long it was waited for, in seconds.
LOCKED = {
    "apt": ("dpkg", "dpkg: error: dpkg frontend lock was locked by another process with pid 812", 2, 300),
    "dnf": ("dnf", "Waiting for process with pid 812 to finish.", 200, 600),
    "zypper": ("zypper", "System management is locked by the application with pid 812 (zypper).", 7, 600),
}


@pytest.mark.parametrize("manager", LOCKED)
def test_a_lock_that_is_never_let_go_is_waited_for_with_a_limit(manager: str, tmp_path: Path) -> None:
    """dnf and zypper are asked twice: for what they know, and to install."""
    program, says, code, seconds = LOCKED[manager]
    waits = tmp_path / "waits"
    # zypper waits by itself, as long as it is told to.
    stubs = {
        "sleep": f"echo $1 >>{waits}",
        program: f"[ {manager} != zypper ] || echo $ZYPP_LOCK_TIMEOUT >>{waits}\necho '{says}' >&2; exit {code}",
        "apt-get": "exit 100",
    }
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    command = script(manager, first="", packages="a=1-1 b", hold="a")
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("packages: cannot install a=1-1 b")
    assert says in done.stderr
    assert sum(map(int, waits.read_text().split())) == seconds
