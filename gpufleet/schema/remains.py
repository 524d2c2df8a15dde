"""Remains: what a host has of a stack, as it is before `gpufleet destroy`."""

from __future__ import annotations

from .base import Noun


class Remains(Noun):
    """``gone``: what ends with the stack, ``container NAME`` and the like; ``kept``: bytes by path of what stays.

    ``foreign``: directories of containers of its name that are none of ours; ``elsewhere``: projects under the other
    engine.
    """

    gone: tuple[str, ...] = ()
    kept: dict[str, int] = {}
    foreign: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
