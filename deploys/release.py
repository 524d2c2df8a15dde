"""The release: one archive over, unpacked beside the others."""

from __future__ import annotations

import io

from pyinfra.api.command import FileUploadCommand
from pyinfra.context import host

from ..plan.drift import altered, stale
from ..schema import HostState
from .observe import Commands, Target, converging
from .script import alone, script


@converging
def unpacked(target: Target, state: HostState) -> Commands:
    """Bring the release over when its files are not there as they should be."""
    root, again = target.plan.root, stale(target.plan, target.release, state)
    if not altered(target.release, state):
        host.noop(f"release {target.release.id}")
        return
    yield FileUploadCommand(io.BytesIO(target.release.archive()), f"{root}/releases/.upload.tar")
    told = {"id": target.release.id, "stack": target.plan.stack, "altered": " ".join(again)}
    yield alone(root) + script("unpack", root=root, **told)
