"""The release: one archive over, unpacked beside the others."""

from __future__ import annotations

import io

from pyinfra.api.command import FileUploadCommand
from pyinfra.context import host

from ..plan.drift import altered
from ..schema import HostState
from .observe import Commands, Target, converging
from .script import script


@converging
def unpacked(target: Target, state: HostState) -> Commands:
    """Bring the release over when its files are not there as they should be."""
    wrong, root = altered(target.release, state), target.plan.root
    if not wrong:
        host.noop(f"release {target.release.id}")
        return
    # A container that read a changed file has to read the right one again.
    stale = {o.service for o in target.plan.outputs if state.release and o.path in wrong}
    yield FileUploadCommand(io.BytesIO(target.release.archive()), f"{root}/releases/.upload.tar")
    yield script("unpack", root=root, id=target.release.id, stack=target.plan.stack, altered=" ".join(sorted(stale)))
