"""A window of the day."""

from __future__ import annotations


def inside(now: str, window: str) -> bool:
    """Whether ``HH:MM`` is in ``HH:MM-HH:MM``, whose end is no part of it and may be on the next day.

    >>> inside("23:10", "22:00-05:00"), inside("05:00", "22:00-05:00"), inside("12:00", "09:00-17:30")
    (True, False, True)
    """
    first, _, last = window.partition("-")
    return first <= now < last if first < last else now >= first or now < last
