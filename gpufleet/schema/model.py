"""Model: weights that a service loads, where they come from and what they cost."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from .base import Bytes, Http, Noun, Sha256, like
from .licence import AnyLicence

FileName = Annotated[
    str, like(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "write the name alone, of letters, digits, `.`, `_` and `-`")
]


class Shape(Noun):
    """The numbers llama.cpp's compute buffer is made of."""

    embedding: int = Field(ge=1, le=1_000_000, description="width of a token between layers")
    heads: int = Field(ge=1, le=10_000, description="attention heads")
    feed_forward: int = Field(
        ge=1, le=10_000_000, description="width of the feed-forward layer; of experts: of one, times `experts`"
    )
    vocabulary: int = Field(ge=1, le=10_000_000)
    experts: int = Field(default=0, ge=0, le=10_000, description="experts that one token uses")


class Architecture(Noun):
    """The numbers a KV cache is made of."""

    layers: int = Field(ge=1, le=1000)
    kv_heads: int = Field(ge=1, le=1000)
    head_dim: int = Field(ge=1, le=10000)
    context: int = Field(ge=1, le=100_000_000, description="longest context the model was made for, tokens")
    value_dim: int | None = Field(
        default=None, ge=1, le=10000, description="head dimension of V; `head_dim` if not given"
    )
    latent: int | None = Field(
        default=None, ge=1, le=100_000, description="MLA: values that a layer keeps of a token, instead of K and V"
    )
    window: int | None = Field(
        default=None, ge=1, le=100_000_000, description="tokens that a windowed layer looks back"
    )
    full_layers: int | None = Field(default=None, ge=0, le=1000, description="layers without a window")
    shape: Shape | None = None

    @model_validator(mode="after")
    def _window_and_layers(self) -> Self:
        if (self.window is None) != (self.full_layers is None):
            raise ValueError("give `window` together with `full_layers`, or neither")
        if (self.full_layers or 0) > self.layers:
            raise ValueError("`full_layers` is part of `layers`")
        return self


class Model(Noun):
    """One file of weights, of a Hugging Face commit or a URL; or what its program fetches by itself, by a name."""

    file: FileName | None = None
    repo: Annotated[str, like(r"^[\w.-]+/[\w.-]+$", "write it like Qwen/Qwen2.5-1.5B-Instruct-GGUF")] | None = None
    revision: Annotated[str, like(r"^[0-9a-f]{40}$", "write the 40 small hex digits of a commit")] | None = None
    url: Http | None = None
    pull: Annotated[str, like(r"^[A-Za-z0-9][\w./:-]*$", "write it like llama3.2:3b")] | None = Field(
        default=None, description="the name by which a step of the service fetches it, such as Ollama's llama3.2:3b"
    )
    bytes: Annotated[Bytes, Field(ge=1)]
    sha256: Sha256 | None = None
    architecture: Architecture | None = None
    licence: AnyLicence = Field("", description="a text, or what has to be accepted: `{name: NAME, page: URL}`")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = (self.url, self.repo, self.pull)
        if sources.count(None) != 2 or (self.repo is None) != (self.revision is None):
            raise ValueError("give either `url`, or `repo` with the `revision` (commit) of it, or `pull`")
        if [self.file is None, self.sha256 is None] != [self.pull is not None] * 2:
            raise ValueError("give `file` and `sha256`; a model with `pull` has neither")
        return self

    @property
    def label(self) -> str:
        """What people know it by."""
        return self.file or self.pull or ""

    def source(self, huggingface: str) -> str:
        """The URL of the file, with ``huggingface`` as the Hub's endpoint."""
        return self.url or f"{huggingface.rstrip('/')}/{self.repo}/resolve/{self.revision}/{self.file}"
