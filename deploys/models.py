"""Model files: fetched once, verified, visible only when complete."""

from __future__ import annotations

from pyinfra.context import host

from ..plan.drift import missing_models
from ..schema import HostState
from .observe import Commands, Target, converging
from .script import script


@converging
def fetched(target: Target, state: HostState) -> Commands:
    """Fetch the models that are not there whole."""
    missing = missing_models(target.plan, state)
    if not missing:
        host.noop(f"{len(target.plan.downloads)} models")
        return
    for download in missing:
        yield script("fetch", **download.model_dump())
