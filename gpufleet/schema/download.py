"""Download: a file that a host fetches."""

from __future__ import annotations

from .base import Noun


class Download(Noun):
    """A model file that must be there, complete. ``part``: its name until it is; ``hub``: its URL is the Hub's own.

    ``folder``: the directory that is seen only with all of its files. ``text``: what is in it, of one of ours;
    ``after``: files that have to be there before it is seen; ``of``: the model that it is a part of, for people.
    """

    path: str
    part: str
    url: str = ""
    hub: bool = False
    bytes: int
    digest: str
    folder: str = ""
    text: str = ""
    after: tuple[str, ...] = ()
    of: str = ""

    @property
    def label(self) -> str:
        """What people know it by."""
        return self.of or self.path
