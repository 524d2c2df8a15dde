"""Ollama's library of models: blobs by digest, and a manifest for each name (server and manifest of its source).

A model is what its manifest names. So one that is locked, or a file of ours, is put there before Ollama starts: by the
program that fetches all models, which is the only one to write there. A file becomes a model by a manifest of ours:
`ollama create` would copy it, and write it anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from ..schema import Download, Mirrors, Model
from .weights import Weights

HERE = "registry.ollama.ai"
HOST = re.compile(r"\w[\w.:-]*", re.ASCII)
OWNER = re.compile(r"\w[\w-]{0,79}", re.ASCII)
NAME = re.compile(r"\w[\w.-]{0,79}", re.ASCII)
DOCKER = "application/vnd.docker"


class Named(NamedTuple):
    """A name of Ollama's, taken apart; ``host``: of another registry than its own."""

    host: str
    path: str
    tag: str

    def api(self, ollama: str) -> str:
        """Where its registry has it; ``ollama``: the URL of Ollama's own."""
        return f"{f'https://{self.host}' if self.host else ollama.rstrip('/')}/v2/{self.path}"


def named(name: str) -> Named | None:
    """None: Ollama would not take it.

    >>> named("llama3.2:3b"), named("hf.co/a/b"), named("../b")
    (Named(host='', path='library/llama3.2', tag='3b'), Named(host='hf.co', path='a/b', tag='latest'), None)
    """
    *before, last = name.split("/")
    short, _, tag = last.partition(":")
    host, owner = ["", "library", *before][-2:] if len(before) < 2 else before[:2]
    right = NAME.fullmatch(short) and NAME.fullmatch(tag or "latest") and OWNER.fullmatch(owner)
    if len(before) > 2 or not right or (len(before) == 2 and not HOST.fullmatch(host)):
        return None
    return Named(host if len(before) == 2 else "", f"{owner}/{short}", tag or "latest")


def called(model: Model) -> str | None:
    """The name by which Ollama knows a model: its own, or one made of its file's; None: Ollama does not take it."""
    if model.pull:
        return model.pull if named(model.pull) else None
    stem = model.at.removesuffix(".gguf")
    known = all(piece.digest.startswith("sha256:") for piece in model.pieces.values())
    return f"{stem}:latest" if model.file and stem != model.at and known and NAME.fullmatch(stem) else None


def ident(weights: Weights) -> str:
    """How `ollama ps` and `ollama list` show which content it is; empty: that is not known beforehand."""
    text = _manifest(weights)
    # Of what follows the object it is chance how much Ollama reads, and counts.
    return sha256(text.encode()).hexdigest()[:12] if text.endswith("}") else ""


def downloads(weights: Weights, at: str, incoming: str, mirrors: Mirrors) -> tuple[Download, ...]:
    """What is to be in the library ``at`` for a model to be there; nothing of one that Ollama has to pull."""
    name, text = called(weights.model), _manifest(weights)
    if not text or not name or not (place := named(name)):
        return ()
    blobs = tuple(_blobs(weights, at, incoming, place, mirrors))
    path = f"{at}/manifests/{place.host or HERE}/{place.path}/{place.tag}"
    after = tuple(d.path for d in blobs)
    return (*blobs, _text(text, path, incoming, of=name).model_copy(update={"after": after}))


def _blobs(weights: Weights, at: str, incoming: str, place: Named, mirrors: Mirrors) -> Iterator[Download]:
    model, name = weights.model, called(weights.model) or ""
    if weights.pull:
        for digest, size in weights.pull.layers.items():
            url = f"{place.api(mirrors.ollama)}/blobs/{digest}"
            yield _blob(at, incoming, digest.removeprefix("sha256:"), size, url=url, of=name)
        return
    for path, piece in model.pieces.items():
        url = model.source(path, mirrors.huggingface)
        yield _blob(at, incoming, piece.hex, piece.bytes, url=url, hub=model.repo is not None, of=name)
    yield _text(config := _config(model), f"{at}/blobs/sha256-{_hex(config)}", incoming, of=name)


def _blob(at: str, incoming: str, hex_: str, size: int, *, url: str, of: str, hub: bool = False) -> Download:
    base = {"path": f"{at}/blobs/sha256-{hex_}", "part": f"{incoming}/{hex_}", "digest": f"sha256:{hex_}"}
    return Download(**base, bytes=size, url=url, hub=hub, of=of)


def _text(text: str, path: str, incoming: str, *, of: str) -> Download:
    size, digest = len(text.encode()), _hex(text)
    return Download(path=path, part=f"{incoming}/{digest}", digest=f"sha256:{digest}", bytes=size, text=text, of=of)


def _manifest(weights: Weights) -> str:
    """The manifest, as it was locked, or of a file; empty: Ollama pulls the model by itself."""
    model = weights.model
    if model.pull or not model.pieces:
        return weights.pull.manifest if weights.pull else ""
    config = _config(model)
    (piece,) = model.pieces.values()
    about = {"mediaType": f"{DOCKER}.container.image.v1+json", "digest": f"sha256:{_hex(config)}", "size": len(config)}
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": piece.digest, "size": piece.bytes}
    told = {"schemaVersion": 2, "mediaType": f"{DOCKER}.distribution.manifest.v2+json", "config": about}
    return _json({**told, "layers": [layer]})


def _config(model: Model) -> str:
    """What Ollama asks of a model beside its file; without a template of its own it uses the file's."""
    families = [model.family] if model.family else None
    told = {"model_format": "gguf", "model_family": model.family, "model_families": families, "model_type": ""}
    return _json({**told, "file_type": "", "architecture": "amd64", "os": "linux"})


def _json(told: object) -> str:
    return json.dumps(told, separators=(",", ":"))


def _hex(text: str) -> str:
    return sha256(text.encode()).hexdigest()
