"""The release: one archive over, unpacked beside the others."""

from __future__ import annotations

import io
from collections.abc import Generator

from pyinfra.api.command import FileUploadCommand
from pyinfra.api.operation import operation
from pyinfra.context import host

from .observe import Target, forget, observe
from .script import script


@operation()
def unpacked(target: Target) -> Generator[FileUploadCommand | str, None, None]:
    """Bring the release over when its files are not there as they should be."""
    there, want, root = observe(host, target).release, target.release.digests, target.plan.root
    if there == want:
        host.noop(f"release {target.release.id}")
        return
    altered = {o.service for o in target.plan.outputs if there and there.get(o.path) != want[o.path]}
    yield FileUploadCommand(io.BytesIO(target.release.archive()), f"{root}/releases/.upload.tar")
    yield script("unpack", root=root, id=target.release.id, stack=target.plan.stack, altered=" ".join(sorted(altered)))
    forget(host)
