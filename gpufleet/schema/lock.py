"""Lock: what names that can move stood for when somebody looked: commits, files, digests."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from .base import Bytes, Noun, Sha256, like
from .model import FILE, Architecture, Family, Piece

LAYER = re.compile(r"sha256:[0-9a-f]{64}")
Commit = Annotated[str, like(r"^[0-9a-f]{40}$", "write the 40 small hex digits of a commit")]


class LockedModel(Noun):
    """A model of a Hugging Face repository, at one commit.

    ``gated``: only who has accepted its terms at its page may fetch it, with a token. ``family``: what a GGUF file
    calls its architecture.
    """

    revision: Commit
    files: dict[Annotated[str, like(FILE, "write a path in the repository")], Piece] = Field(min_length=1)
    architecture: Architecture | None = None
    family: Family = ""
    gated: bool = False
    licence: str = ""


class LockedPull(Noun):
    """What a registry of Ollama's had under a name: sha256 of the manifest, bytes of all its layers, and the manifest.

    Ollama keeps a manifest as it came, so that its file has the same digest; `ollama list` shows how that begins.
    """

    digest: Sha256
    bytes: Bytes
    manifest: str

    @field_validator("manifest")
    @classmethod
    def _whole(cls, manifest: str, told: ValidationInfo) -> str:
        fix = "run `gpufleet lock` with --upgrade"
        if sha256(manifest.encode()).hexdigest() != told.data.get("digest"):
            raise ValueError(f"it is not what `digest` says: {fix}")
        if not layers(manifest):
            raise ValueError(f"no model of Ollama's has such: {fix}")
        return manifest

    @property
    def layers(self) -> dict[str, int]:
        """Sizes of all that the manifest names, by digest."""
        return layers(self.manifest)


def layers(manifest: str) -> dict[str, int]:
    """Sizes of all that a manifest names, by digest; none: it is not of a model."""
    try:
        told = json.loads(manifest)
        config = [told["config"]] if told.get("config") else []
        found = {layer["digest"]: layer["size"] for layer in (*told["layers"], *config)}
        right = all(LAYER.fullmatch(name) and isinstance(size, int) and size >= 0 for name, size in found.items())
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return {}
    return found if right else {}


class Lock(Noun):
    """The file ``gpufleet.lock``. ``models`` by ``Model.key``, ``pulls`` by name, ``images``: sha256:HEX by name."""

    version: Literal[1] = 1
    models: dict[str, LockedModel] = {}
    pulls: dict[str, LockedPull] = {}
    images: dict[str, Annotated[str, like(r"^sha256:[0-9a-f]{64}$", "write it like sha256:HEX")]] = {}
