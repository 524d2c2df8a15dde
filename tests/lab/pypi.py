"""An index of Python packages: what hosts need to make the program that fetches models."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from gpufleet.catalog import OURS

from .paths import GATEWAY
from .shell import LabError, cached

URL = f"http://{GATEWAY}:8081/pypi/simple"
REQUIREMENTS = OURS / "images/fetcher/requirements.txt"


def index() -> Path:
    """The folder that is served: /simple/NAME/ with wheels for the Python of that image."""
    return cached("pypi", REQUIREMENTS.read_text(), _make)


def _make(folder: Path) -> None:
    command = [sys.executable, "-m", "uv", "tool", "run", "--quiet", "pip", "download", "--quiet", "--require-hashes"]
    command += ["--python-version", "3.13", "--only-binary", ":all:", "-d", str(folder), "-r", str(REQUIREMENTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"cannot fetch the packages of {REQUIREMENTS}\n{done.stderr[-2000:]}")
    for wheel in sorted(folder.glob("*.whl")):
        at = folder / "simple" / re.sub(r"[-_.]+", "-", wheel.name.partition("-")[0]).lower()
        at.mkdir(parents=True, exist_ok=True)
        wheel.rename(at / wheel.name)
        (at / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>\n')
