"""Model files: fetched once, verified, visible only when complete."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra.api.operation import operation
from pyinfra.context import host

from ..schema import Download, Entry
from .observe import Target, forget, observe
from .script import script


@operation()
def fetched(target: Target) -> Generator[str, None, None]:
    """Fetch the models that are not there whole."""
    entries = observe(host, target).entries
    missing = [d for d in target.plan.downloads if not _whole(d, entries.get(d.path))]
    if not missing:
        host.noop(f"{len(target.plan.downloads)} models")
        return
    for download in missing:
        yield script("fetch", **download.model_dump())
    forget(host)


def _whole(download: Download, file: Entry | None) -> bool:
    """A file under its final name was verified before it got that name: its size tells the rest."""
    return file is not None and file.size == download.bytes
