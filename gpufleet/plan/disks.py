"""Disks: whether there is room for what is to be fetched, by file system."""

from __future__ import annotations

from collections.abc import Iterable

from ..schema import Download, Finding, HostFacts, Pull
from .fetch import by_programs, left, room
from .finding import block
from .ledger import mib
from .wanted import Wanted

FIX = "free some, set another data_root, or lower reserve_disk_mib"
FIX_STORE = "free some (`docker image prune -a`), or move the engine's data to a larger disk"


def against(
    wanted: Wanted, facts: HostFacts, downloads: tuple[Download, ...], images: tuple[Pull, ...]
) -> Iterable[Finding]:
    """Disks that cannot be written to, or that hold less than is asked of them. ``images``: those to pull or build."""
    for disk in facts.disks:
        if not disk.writable and facts.system.uid == 0:
            yield block("HOST-DISK", disk.path, "cannot be written to", "mount it read-write, or set another data_root")
    if not facts.disks:
        return
    # The models' own disk, where they have one, comes last.
    data, models, store = facts.disks[0], facts.disks[-1], facts.engine.store or facts.disks[0]
    # The same bytes under two names take room once.
    files = sum({d.digest: left(d, facts.present) for d in downloads}.values())
    asked = (
        (models, "of models", mib(files + by_programs(wanted, facts))),
        (store, "of images", room(images)),
        (data, "reserve", wanted.settings.reserve_disk_mib),
    )
    for disk in {d.device: d for d in (store, models, data)}.values():
        mine = [(size, what) for on, what, size in asked if on.device == disk.device and size]
        if disk.free_mib < (need := sum(size for size, _ in mine)):
            told = ", ".join(f"{size} {what}" for size, what in mine)
            what = f"{disk.free_mib} MiB free, {need} MiB needed ({told})"
            yield block("HOST-DISK", disk.path, what, FIX_STORE if disk is store and store is not data else FIX)
