"""Model: weights that a service loads, where they come from and what they cost."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from .base import Bytes, Noun, Sha256


class Architecture(Noun):
    """The numbers a KV cache is made of."""

    layers: int = Field(ge=1, le=1000)
    kv_heads: int = Field(ge=1, le=1000)
    head_dim: int = Field(ge=1, le=10000)
    context: int = Field(ge=1, le=100_000_000, description="longest context the model was made for, tokens")


class Model(Noun):
    """One file of weights. Its source is a Hugging Face file at a commit, or a URL."""

    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    repo: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    revision: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s'\"]+$")] | None = None
    bytes: Bytes
    sha256: Sha256
    architecture: Architecture | None = None
    licence: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.url is None) == (self.repo is None) or (self.repo is None) != (self.revision is None):
            raise ValueError("give either `url`, or `repo` with the `revision` (commit) of it")
        return self

    def source(self, huggingface: str) -> str:
        """The URL of the file, with ``huggingface`` as the Hub's endpoint."""
        return self.url or f"{huggingface.rstrip('/')}/{self.repo}/resolve/{self.revision}/{self.file}"
