"""What the doctor asks of a host beside its facts."""

from __future__ import annotations

from .base import Noun


class Health(Noun):
    """None: the host does not say. Memory in MiB, ``clock`` in seconds since 1970.

    ``unresolved``: names that the resolver does not know; ``upgradable_drivers``: packages that unattended upgrades
    may replace; ``on_cpu`` and ``lost``: by container, the line by which its program says that it runs without its
    card, and the error on opening the card's device in it.
    """

    available_mib: int | None = None
    inodes_free_percent: int | None = None
    clock: int | None = None
    clock_synchronized: bool | None = None
    unresolved: tuple[str, ...] = ()
    secure_boot: bool | None = None
    reboot_required: bool = False
    upgradable_drivers: tuple[str, ...] = ()
    on_cpu: dict[str, str] = {}
    lost: dict[str, str] = {}
