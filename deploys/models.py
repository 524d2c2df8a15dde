"""Model files: fetched once, verified, visible only when complete."""

from __future__ import annotations

from pyinfra.context import host

from ..schema import Download, Entry, HostState
from .observe import Commands, Target, converging
from .script import script


@converging
def fetched(target: Target, state: HostState) -> Commands:
    """Fetch the models that are not there whole."""
    entries = state.entries
    missing = [d for d in target.plan.downloads if not _whole(d, entries.get(d.path))]
    if not missing:
        host.noop(f"{len(target.plan.downloads)} models")
        return
    for download in missing:
        yield script("fetch", **download.model_dump())


def _whole(download: Download, file: Entry | None) -> bool:
    """A file under its final name was verified before it got that name: its size tells the rest."""
    return file is not None and file.size == download.bytes
