"""Stock: what hosts have below data_root/models, as `gpufleet models` tells it. Its JSON is published in docs/."""

from __future__ import annotations

from typing import Literal

from .base import Noun

What = Literal["file", "folder", "link", "store", "part", "set-aside", "other"]


class ModelStore(Noun):
    """The directory of models of a host.

    ``sizes``: bytes by path below data_root; ``kinds``: what each is, as ``find`` names it (``f``, ``d``, ``l``);
    ``noted``: by path below the directory the digests that files were found to have, empty where a file is no longer
    as it was then; ``bytes``: of all of it, the same bytes under two names once.
    """

    sizes: dict[str, int] = {}
    kinds: dict[str, str] = {}
    noted: dict[str, str] = {}
    bytes: int = 0


class Held(Noun):
    """One thing below data_root/models; ``path`` is below data_root.

    ``what``: a ``file``, ``folder`` or ``link``; a ``store``, which a program fills by itself; a ``part`` of a
    download; ``set-aside``: had the name of a model, and other bytes. ``services``: those of the plan that use it.
    ``verified``: whether the bytes are known to be right; None: nobody knows what they should be. ``unused``: purge
    would delete it; None: what the host will run is not known.
    """

    path: str
    what: What
    bytes: int
    services: tuple[str, ...] = ()
    verified: bool | None = None
    unused: bool | None = None


class HostStock(Noun):
    """One host. ``problems``: why nothing, or not all, is known of it; ``wrong``: files that were read again and should
    be other than they are.

    ``state``: ``known``, ``blocked`` (a run would refuse it) or ``failed`` (it did not answer). ``bytes``: of all
    ``held``, the same bytes under two names once; ``free_bytes``: of the disk that they are on.
    """

    state: Literal["known", "blocked", "failed"]
    root: str | None = None
    held: tuple[Held, ...] = ()
    bytes: int = 0
    free_bytes: int | None = None
    problems: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


class Stock(Noun):
    """All hosts by name. ``version`` changes when a reader of the JSON has to."""

    version: Literal[1] = 1
    hosts: dict[str, HostStock]

    @staticmethod
    def failed(why: str) -> HostStock:
        """A host that could not be asked."""
        return HostStock(state="failed", problems=(why,))
