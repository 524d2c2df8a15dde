"""Lock: what names that can move stood for when somebody looked: commits, files, digests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Bytes, Noun, Sha256, like
from .model import FILE, Architecture, Piece

Commit = Annotated[str, like(r"^[0-9a-f]{40}$", "write the 40 small hex digits of a commit")]


class LockedModel(Noun):
    """A model of a Hugging Face repository, at one commit.

    ``gated``: only who has accepted its terms at its page may fetch it, with a token.
    """

    revision: Commit
    files: dict[Annotated[str, like(FILE, "write a path in the repository")], Piece] = Field(min_length=1)
    architecture: Architecture | None = None
    gated: bool = False
    licence: str = ""


class LockedPull(Noun):
    """What a registry of Ollama's had under a name: sha256 of the manifest, bytes of all its layers."""

    digest: Sha256
    bytes: Bytes


class Lock(Noun):
    """The file ``gpufleet.lock``. ``models`` by ``Model.key``, ``pulls`` by name, ``images``: sha256:HEX by name."""

    version: Literal[1] = 1
    models: dict[str, LockedModel] = {}
    pulls: dict[str, LockedPull] = {}
    images: dict[str, Annotated[str, like(r"^sha256:[0-9a-f]{64}$", "write it like sha256:HEX")]] = {}
