"""Models as Ollama keeps them: blobs by their digests, and a manifest that is written last.

The sha256 of the manifest's file is the model's digest. As Ollama it takes a blob that is there as it is, and throws
away at its start what no manifest names, unless $OLLAMA_NOPRUNE.
"""

import hashlib
import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("OLLAMA_MODELS", "/root/.ollama/models"))
SOURCE = os.environ["OLLAMA_SOURCE"]
TOP = ROOT / "manifests"
MODEL = "application/vnd.ollama.image.model"
KIND = "application/vnd.docker.distribution.manifest.v2+json"
HOUR = 3600


def manifest(name: str) -> Path:
    base, _, tag = name.partition(":")
    host = "" if base.count("/") > 1 else "registry.ollama.ai/" if "/" in base else "registry.ollama.ai/library/"
    return TOP / f"{host}{base}" / (tag or "latest")


def file(digest: str) -> Path:
    return ROOT / "blobs" / digest.replace(":", "-")


def layers(path: Path) -> list[dict[str, Any]]:
    told = json.loads(path.read_text())
    return [*told["layers"], *([told["config"]] if told.get("config") else [])]


def blob(name: str) -> Path:
    """The file of weights."""
    return file(next(layer["digest"] for layer in layers(manifest(name)) if layer["mediaType"] == MODEL))


def names() -> list[str]:
    paths = sorted(p.relative_to(TOP) for p in TOP.glob("*/*/*/*") if p.is_file())
    return [f"{p.parent}:{p.name}".removeprefix("registry.ollama.ai/").removeprefix("library/") for p in paths]


def about(name: str) -> dict[str, Any]:
    """What all lists have of a model."""
    path = manifest(name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": name, "model": name, "size": sum(layer["size"] for layer in layers(path)), "digest": digest}


def prune() -> None:
    """What Ollama does at its start."""
    if os.environ.get("OLLAMA_NOPRUNE", "0") not in ("", "0", "false"):
        return
    named = {file(layer["digest"]).name for name in names() for layer in layers(manifest(name))}
    for path in (ROOT / "blobs").glob("*"):
        if path.name not in named and time.time() - path.stat().st_mtime > HOUR:
            path.unlink()


def fetch(name: str) -> Iterator[dict[str, Any]]:
    """A pull, as the lines that are told of it."""
    yield {"status": "pulling manifest"}
    part = ROOT / "blobs" / "sha256-partial"
    part.parent.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(SOURCE, timeout=30) as source, part.open("wb") as out:
        total = int(source.headers["Content-Length"])
        while piece := source.read(1 << 16):
            out.write(piece)
            yield {"status": "pulling", "total": total, "completed": out.tell()}
    if part.stat().st_size != total:
        raise OSError("unexpected EOF")
    weights = keep(part.read_bytes(), MODEL)
    part.unlink()
    config = keep(b'{"model_format":"gguf"}', "application/vnd.docker.container.image.v1+json")
    path = manifest(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"schemaVersion": 2, "mediaType": KIND, "config": config, "layers": [weights]}
    path.write_text(json.dumps(told, separators=(",", ":")))
    yield {"status": "success"}


def keep(data: bytes, kind: str) -> dict[str, Any]:
    """A blob; one that is there is not looked into."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if not file(digest).exists():
        file(digest).write_bytes(data)
    return {"mediaType": kind, "digest": digest, "size": len(data)}
