"""Remains: what a host has of a stack, as it is before `gpufleet destroy`."""

from __future__ import annotations

from .base import Noun


class Remains(Noun):
    """``gone``: what ends with the stack, ``container NAME`` and the like; ``kept``: bytes by path of what stays."""

    gone: tuple[str, ...] = ()
    kept: dict[str, int] = {}
