"""Wheels: the packages of the program that fetches models, which every host makes an image of; brought by pip."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from ...errors import Problem
from ...plan.build import WHEELS, packages, python, requirements
from .tree import Tree

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
LIBC = range(41, 4, -1)  # versions 2.41, which the image has, to 2.5


def wheels(tree: Tree, index: str, arch: Collection[str]) -> tuple[dict[str, int], list[Problem]]:
    """Bytes by file name, and what could not be had; ``index``: of packages, empty where pip's own."""
    found: dict[str, int] = {}
    wrong: list[Problem] = []
    for machine in (MACHINES.get(name, name) for name in arch):
        if problem := _brought(tree, index, machine):
            wrong.append(problem)
            continue
        for file in _folder(tree, machine).glob("*.whl"):
            tree.write(tree.root / WHEELS / file.name, file.read_bytes())
            found[file.name] = file.stat().st_size
    return found, wrong


def _folder(tree: Tree, machine: str) -> Path:
    """Of these packages alone: what pip finds there it does not fetch again."""
    return tree.incoming / sha256(f"{machine}{requirements()}".encode()).hexdigest()[:16]


def _brought(tree: Tree, index: str, machine: str) -> Problem | None:
    folder = _folder(tree, machine)
    if (whole := folder / "whole").exists():
        return None
    folder.mkdir(exist_ok=True)
    (folder / "requirements.txt").write_text(requirements())
    version = re.search(r":(\d+\.\d+)", python())
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--implementation", "cp"]
    command += ["--python-version", version[1] if version else ""]
    command += [word for n in LIBC for word in ("--platform", f"manylinux_2_{n}_{machine}")]
    command += ["--platform", f"manylinux2014_{machine}", "-d", str(folder), "-r", str(folder / "requirements.txt")]
    # The index not among the command's words, which everybody sees.
    done = subprocess.run(command, env={**os.environ, **packages(index)}, capture_output=True, text=True, check=False)
    if not done.returncode:
        whole.touch()
        return None
    said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if "ERROR" in line or "No module" in line]
    return Problem(WHEELS, (said or ["pip failed"])[-1], "check `mirrors.pypi` and that Python has pip, and run again")
