"""Files of models: brought by the program that hosts have for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from tempfile import TemporaryFile
from typing import Any

import click

from ...catalog import OURS
from ...deploys.given import token
from ...deploys.models import EVERY, PAUSE, STALL, TRIES
from ...errors import Refused
from ...plan.wanted import TOKEN
from ...schema import Download
from ..locking.hub import Hub
from .contents import Source
from .tree import Tree

PROGRAM = OURS / "images" / "fetcher" / "fetch.py"
# What it could not do is all that it may say there.
QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_VERBOSITY": "error"}


def fetched(tree: Tree, source: Source, files: Mapping[str, Download]) -> list[str]:
    """Bring ``files``, by path; a line for each that could not be had."""
    if not files:
        return []
    try:
        secret = Hub(source.endpoint, token(TOKEN, source.token) if source.token else None).token or ""
    except Refused as refused:
        return [str(p) for p in refused.problems]
    times = {"stall": STALL, "tries": TRIES, "pause": PAUSE, "every": EVERY}
    told = [_told(tree, path, d) for path, d in files.items()]
    job = {"root": str(tree.root), "endpoint": source.endpoint, "reserve": 0, **times, "files": told}
    code, said = _run(f"{secret}\n{json.dumps(job)}\n")
    return (said or [f"models: the program that fetches them ended with {code}; run again"]) if code else []


def _told(tree: Tree, path: str, d: Download) -> dict[str, Any]:
    part = tree.part(d.digest).relative_to(tree.root)
    return {**d.model_dump(include={"bytes", "digest", "hub", "of"}), "path": path, "part": str(part), "urls": [d.url]}


def _run(given: str) -> tuple[int, list[str]]:
    """The program's exit code, and what it could not do; how far it is, is passed on."""
    command = [sys.executable, "-B", str(PROGRAM)]
    env = {**os.environ, **QUIET}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with TemporaryFile("w+") as errors:
        with subprocess.Popen(command, env=env, stderr=errors, start_new_session=True, **pipes) as child:
            try:
                assert child.stdin
                child.stdin.write(given)
                child.stdin.close()
                for line in child.stdout or ():
                    click.echo(f"gpufleet bundle: {line.rstrip()}", err=True)
            except BaseException:
                os.killpg(child.pid, signal.SIGKILL)  # with the tries that it has started
                raise
        errors.seek(0)
        return child.returncode, errors.read().splitlines()
