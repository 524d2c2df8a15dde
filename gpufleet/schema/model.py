"""Model: weights that a service loads, where they come from and what they cost."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from .base import Bytes, Http, Noun, Sha256, like
from .licence import AnyLicence

FILE = r"^[A-Za-z0-9_][\w.-]*(/[\w][\w.-]*)*$"
Family = Annotated[str, like(r"^([a-z0-9][a-z0-9_.-]*)?$", "write it like llama, as `general.architecture` has it")]
COMMIT = re.compile(r"[0-9a-f]{40}")


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


class Piece(Noun):
    """One file of a model. ``digest``: ``sha256:HEX``, or ``git:HEX``, the id that Git has for it.

    The Hub knows no other digest of small files.
    """

    bytes: Bytes
    digest: Annotated[
        str, like(r"^(sha256:[0-9a-f]{64}|git:[0-9a-f]{40})$", "write it like sha256:HEX; `gpufleet lock` does")
    ]

    @property
    def hex(self) -> str:
        return self.digest.partition(":")[2]


class Model(Noun):
    """Weights: a file of a URL, a file or a folder of a Hugging Face repository, or what a program fetches by a name.

    One of a repository whose ``revision`` is no commit, or whose files are not given here, is looked up in the lock.
    """

    file: Annotated[str, like(FILE, "write a path of letters, digits, `.`, `_`, `-` and `/`")] | None = None
    files: dict[Annotated[str, like(FILE, "write a path in the repository")], Piece] = Field(
        {}, description="of a folder, by their paths in the repository"
    )
    only: list[str] = Field([], description="files of a repository to take, such as '*.safetensors'; none: what loads")
    repo: Annotated[str, like(r"^[\w.-]+/[\w.-]+$", "write it like Qwen/Qwen2.5-1.5B-Instruct-GGUF")] | None = None
    revision: Annotated[str, like(r"^[\w][\w./-]*$", "write a commit, a branch or a tag")] | None = None
    url: Http | None = None
    pull: Annotated[str, like(r"^[A-Za-z0-9][\w./:-]*$", "write it like llama3.2:3b")] | None = Field(
        default=None, description="the name by which its program knows it, such as Ollama's llama3.2:3b"
    )
    bytes: Bytes = Field(0, description="its size; of a repository the lock knows it")
    sha256: Sha256 | None = None
    family: Family = Field("", description="what a GGUF file calls its architecture; of a repository the lock knows it")
    gated: bool = Field(False, description="only who has accepted its terms may fetch it, with a token")
    architecture: Architecture | None = None
    licence: AnyLicence = Field("", description="a text, or what has to be accepted: `{name: NAME, page: URL}`")

    @model_validator(mode="before")
    @classmethod
    def _sum(cls, told: Any) -> Any:
        """A folder is as large as its files."""
        files = told.get("files") if isinstance(told, dict) else None
        if not isinstance(files, dict) or "bytes" in told:
            return told
        return {**told, "bytes": sum(f["bytes"] for f in files.values() if isinstance(f, dict) and "bytes" in f)}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.url, self.repo, self.pull).count(None) != 2:
            raise ValueError("give one of `url`, `repo` and `pull`")
        if not self.repo and (self.files or self.only or self.revision):
            raise ValueError("`files`, `only` and `revision` are of a `repo`")
        if self.file and (self.files or self.only):
            raise ValueError("give `file`, or `files` or `only` of a folder")
        known = (self.file is not None, self.sha256 is not None, self.bytes > 0)
        if self.url and known != (True, True, True):
            raise ValueError("give `file`, `bytes` and `sha256` of what is at the `url`")
        if self.pull and known != (False, False, True):
            raise ValueError("give `bytes`; a model with `pull` has neither `file` nor `sha256`")
        if self.repo and self.bytes and not (self.sha256 or self.files):
            raise ValueError("leave `bytes` out: the lock knows it")
        if self.repo and self.sha256 and known != (True, True, True):
            raise ValueError("give `file` and `bytes` with `sha256`")
        return self

    @property
    def pieces(self) -> dict[str, Piece]:
        """Its files by their paths at the source; none: not known yet, or its program's own."""
        if self.file and self.sha256:
            return {self.file: Piece(bytes=self.bytes, digest=f"sha256:{self.sha256}")}
        return self.files

    @property
    def locked(self) -> bool:
        """Whether every byte of it is known beforehand; of one with `pull` its program knows."""
        return bool(self.pull or (self.pieces and (self.url or COMMIT.fullmatch(self.revision or ""))))

    @property
    def key(self) -> str:
        """What the lock is asked for: repository, revision, and which of its files.

        >>> Model(repo="Qwen/Qwen3-8B").key, Model(repo="a/b", file="c.gguf", revision="v1").key
        ('Qwen/Qwen3-8B@main', 'a/b@v1 c.gguf')
        """
        which = [self.file] if self.file else self.only
        return " ".join([f"{self.repo}@{self.revision or 'main'}", *which])

    @property
    def at(self) -> str:
        """Its name below the directory of models; one of a folder tells its content, so that nothing ever changes."""
        if self.file:
            return self.file.rpartition("/")[2]
        if not self.files:
            return ""
        told = "\n".join(f"{piece.digest} {path}" for path, piece in sorted(self.files.items()))
        return f"{(self.repo or '').rpartition('/')[2]}-{sha256(told.encode()).hexdigest()[:12]}"

    def main(self, suffix: str) -> str | None:
        """The file that a program is started with, below the directory of models: of parts the first."""
        first = next((path for path in sorted(self.pieces) if path.endswith(suffix)), None)
        return first and (self.at if self.file else f"{self.at}/{first}")

    @property
    def label(self) -> str:
        """What people know it by."""
        return self.at if self.file else self.pull or self.repo or ""

    @property
    def digest(self) -> str | None:
        """What tells it from another content, hex."""
        if self.file:
            return next((piece.hex for piece in self.pieces.values()), None)
        return self.at.rpartition("-")[2] or None

    def source(self, path: str, huggingface: str) -> str:
        """The URL of one of its files, with ``huggingface`` as the Hub's endpoint."""
        return self.url or f"{huggingface.rstrip('/')}/{self.repo}/resolve/{self.revision}/{path}"
