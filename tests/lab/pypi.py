"""An index of Python packages: what hosts need to make images of ours that pin all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from gpufleet.catalog import OURS

from .paths import GATEWAY
from .shell import LabError, cached

URL = f"http://{GATEWAY}:8081/pypi/simple"
REQUIREMENTS = [OURS / f"images/{name}/requirements.txt" for name in ("fetcher", "hub-cache")]


def index() -> Path:
    """The folder that is served: /simple/NAME/ with wheels for the Python of those images."""
    return cached("pypi", "".join(path.read_text() for path in REQUIREMENTS), _make)


def _make(folder: Path) -> None:
    for requirements in REQUIREMENTS:
        _download(folder, requirements)
    for wheel in sorted(folder.glob("*.whl")):
        at = folder / "simple" / re.sub(r"[-_.]+", "-", wheel.name.partition("-")[0]).lower()
        at.mkdir(parents=True, exist_ok=True)
        wheel.rename(at / wheel.name)
        with (at / "index.html").open("a") as page:
            page.write(f'<a href="{wheel.name}">{wheel.name}</a>\n')


def _download(folder: Path, requirements: Path) -> None:
    command = [sys.executable, "-m", "uv", "tool", "run", "--quiet", "pip", "download", "--quiet", "--require-hashes"]
    command += ["--python-version", "3.13", "--only-binary", ":all:", "-d", str(folder), "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"cannot fetch the packages of {requirements}\n{done.stderr[-2000:]}")
