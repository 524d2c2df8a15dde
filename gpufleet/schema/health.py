"""What the doctor asks of a host beside its facts."""

from __future__ import annotations

from .base import Noun


class Health(Noun):
    """``clock``: seconds since 1970, None: the host does not say.

    ``signs``: by the id of a finding where it was seen, and what.
    """

    clock: int | None = None
    signs: dict[str, tuple[tuple[str, str], ...]] = {}
