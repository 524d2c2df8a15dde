"""The release: one archive over, unpacked beside the others."""

from __future__ import annotations

import io

from pyinfra.api.command import FileUploadCommand
from pyinfra.context import host

from ..schema import HostState
from .observe import Commands, Target, converging
from .script import script


@converging
def unpacked(target: Target, state: HostState) -> Commands:
    """Bring the release over when its files are not there as they should be."""
    there, want, root = state.release, target.release.digests, target.plan.root
    if there == want:
        host.noop(f"release {target.release.id}")
        return
    altered = {o.service for o in target.plan.outputs if there and there.get(o.path) != want[o.path]}
    yield FileUploadCommand(io.BytesIO(target.release.archive()), f"{root}/releases/.upload.tar")
    yield script("unpack", root=root, id=target.release.id, stack=target.plan.stack, altered=" ".join(sorted(altered)))
