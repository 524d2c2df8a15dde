"""The program that fetches models, as hosts run it, and a Hub for it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hub import Hub

PROGRAM = Path(__file__).parent.parent / "gpufleet/catalog/images/fetcher/fetch.py"
TOKEN = "hf_nobodyshouldseethis"
SIZE = 3_000_000


def content(name: str, size: int = SIZE) -> bytes:
    return random.Random(name).randbytes(size)


def told(data: bytes) -> str:
    """So short that a failed test can be read."""
    return hashlib.sha256(data).hexdigest()[:8]


def digest(data: bytes, git: bool) -> str:
    if git:
        return "git:" + hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return "sha256:" + hashlib.sha256(data).hexdigest()


FOLDER = {"model-1.safetensors": content("one"), "model-2.safetensors": content("two"), "config.json": b'{"a": 1}'}


@dataclass
class Bench:
    """A Hub with a file and a folder, and a directory of models."""

    hub: Hub
    models: Path
    commits: dict[str, str]

    def wanted(self, path: str, data: bytes, folder: str = "", repo: str = "o/m", **more: Any) -> dict[str, Any]:
        found = digest(data, git=path.endswith(".json"))
        url = f"{self.hub.url}/{repo}/resolve/{self.commits[repo]}/{path}"
        part = f".incoming/{found.partition(':')[2]}"
        at = f"{folder}/{path}" if folder else path
        base = {"path": at, "part": part, "bytes": len(data), "digest": found, "urls": [url], "hub": True}
        return {**base, "folder": folder, **more}

    @property
    def file(self) -> dict[str, Any]:
        return self.wanted("m.gguf", content("m.gguf"))

    @property
    def folder(self) -> list[dict[str, Any]]:
        return [self.wanted(path, data, "m-0123") for path, data in FOLDER.items()]

    def start(self, *files: dict[str, Any], token: str = "", **job: Any) -> subprocess.Popen[str]:
        base = {"root": str(self.models), "endpoint": self.hub.url, "reserve": 0, "stall": 2, "tries": 4, "pause": 0.05}
        job_ = json.dumps({**base, "every": 60, **job, "files": files})
        env = {**os.environ, "HF_HOME": str(self.models.parent / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        pipe = subprocess.PIPE
        child = subprocess.Popen([sys.executable, PROGRAM], env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert child.stdin
        child.stdin.write(f"{token}\n{job_}\n")
        child.stdin.flush()
        return child

    def fetch(self, *files: dict[str, Any], **job: Any) -> tuple[int, str]:
        child = self.start(*files, **job)
        out, err = child.communicate(timeout=120)
        assert "Traceback" not in err, err
        assert TOKEN not in out + err
        return child.returncode, out + err

    @property
    def seen(self) -> dict[str, str]:
        """What engines see: what is in a file, by path."""
        files = (
            p for p in self.models.rglob("*") if p.is_file() and not p.relative_to(self.models).parts[0].startswith(".")
        )
        return {str(p.relative_to(self.models)): told(p.read_bytes()) for p in files}

    @property
    def requests(self) -> int:
        return len(self.hub.log)


IN_FOLDER = {f"m-0123/{path}": told(data) for path, data in FOLDER.items()}
WHOLE = {"m.gguf": told(content("m.gguf")), **IN_FOLDER}
