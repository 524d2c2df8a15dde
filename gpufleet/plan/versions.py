"""Versions as numbers."""

from __future__ import annotations

import re
from functools import cache

CDI_ITSELF = (28, 2)  # from here on Docker knows CDI devices without being told,
CDI_SCHEMA = (26, 1)  # it reads the specifications of NVIDIA's toolkit from 1.19 on (their schema is 0.7)
CDI_SWITCH = (25, 0)  # from here on with features.cdi, before that not at all.


@cache
def version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, without a package's epoch.

    >>> version("v2.40.3-desktop.1"), version("5.6.1+ds1"), version("5:29.7.2-1~debian.13~trixie"), version("dev")
    ((2, 40, 3), (5, 6, 1), (29, 7, 2), ())
    """
    found = re.match(r"(?:\d+:)?v?(\d+(?:\.\d+)*)", text)
    return tuple(int(n) for n in found.group(1).split(".")) if found else ()
