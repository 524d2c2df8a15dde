"""Images: named and pulled, or built on the host where no registry has them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from .base import Noun, like

# A tag is part of the name: `latest` or none would make two runs of the same release differ.
_REFERENCE = r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+:[\w][\w.-]*(@sha256:[0-9a-f]{64})?$"


def _pinned(image: str) -> str:
    if image.endswith(":latest"):
        raise ValueError("pin a tag other than latest")
    return image


Image = Annotated[
    str,
    like(_REFERENCE, "write registry, name and tag: docker.io/library/redis:8.2.1"),
    AfterValidator(_pinned),
]
_FOLDER = r"^[a-z0-9]+([._-][a-z0-9]+)*$"
_PATH = r"^[\w][\w.-]*(/[\w][\w.-]*)*$"
_COMMIT = r"^https://github\.com/[\w.-]+/[\w.-]+\.git#[0-9a-f]{40}$"


class Build(Noun):
    """How an image is made on the host: of a ``folder`` of the catalog, or of a repository at one commit (``context``).

    With both the folder has the Dockerfile, and the repository what it copies. Its name is ours, with a digest of all
    this. ``args`` are seen by everybody who has the image: no secrets there.
    """

    folder: Annotated[str, like(_FOLDER, "use small letters and digits, parted by `.`, `_` or `-`")] | None = Field(
        None, description="images/FOLDER of the catalog: a Dockerfile and, without `context`, what it copies, all text"
    )
    context: (
        Annotated[str, like(_COMMIT, "write it like https://github.com/OWNER/REPOSITORY.git#COMMIT, 40 hex digits")]
        | None
    ) = Field(None, validate_default=True, description="a repository, at one commit; without its submodules and `.git`")
    dockerfile: Annotated[str, like(_PATH, "write a path inside the folder or the repository")] = "Dockerfile"
    target: Annotated[str, like(r"^[\w][\w.-]*$", "write the name of a stage")] | None = None
    args: dict[
        Annotated[str, like(r"^[A-Za-z_]\w*$", "write it like VERSION")],
        Annotated[str, like(r"^[^\n]*$", "write it in one line")],
    ] = {}
    deadline: int = Field(3600, ge=1, description="seconds that it may take")

    @field_validator("context")
    @classmethod
    def _one(cls, context: str | None, told: ValidationInfo) -> str | None:
        if "folder" in told.data and not (context or told.data["folder"]):
            raise ValueError("give a `folder`, a `context`, or both")
        return context

    @property
    def name(self) -> str:
        """What the image is called.

        >>> Build(context="https://github.com/o/Some-App.git#" + "0" * 40).name
        'some-app'
        """
        return self.folder or (self.context or "").partition("#")[0].rpartition("/")[2].removesuffix(".git").lower()


class Pull(Noun):
    """An image that must be there, once for all its ``services``.

    ``bytes``: what is pulled of it, compressed; None: the catalog does not say.
    """

    image: str
    bytes: int | None = None
    services: tuple[str, ...] = ()


class Made(Pull):
    """An image that is built on the host. ``source``: of what, for people; ``bytes``: what is pulled for it."""

    source: str


class PlannedBuild(Made):
    """How that is done: of the archive at ``url``, or of ``files``, text by path, in the release's ``folder``.

    With both the Dockerfile is the folder's.
    """

    url: str = ""
    folder: str = ""
    files: dict[str, str] = {}
    dockerfile: str
    target: str = ""
    args: dict[str, str] = {}
    deadline: int
