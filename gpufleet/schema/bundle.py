"""Bundle: what `gpufleet bundle` has written to a directory, as its ``bundle.json`` tells. Its shape is in docs/."""

from __future__ import annotations

from typing import Literal

from .base import Noun
from .model import Piece


class BundledImage(Noun):
    """An image: the ``digest`` that its name stands for, and sizes by digest of all that it is made of.

    ``platforms``: those that were taken, such as linux/amd64; none: its registry has it for one alone.
    """

    digest: str
    platforms: tuple[str, ...] = ()
    blobs: dict[str, int]


class Bundle(Noun):
    """``files``: of models, by their paths in the directory; ``images`` by name; ``wheels``: bytes by file name."""

    version: Literal[1] = 1
    files: dict[str, Piece] = {}
    images: dict[str, BundledImage] = {}
    wheels: dict[str, int] = {}
