"""The release: one archive over, unpacked beside the others."""

from __future__ import annotations

import io
from collections.abc import Iterator

from pyinfra import host
from pyinfra.api.command import FileUploadCommand
from pyinfra.api.operation import operation

from .observe import Target, forget, observe

# The directory appears whole or not at all. Where a file of a release in use was altered, its containers have loaded the
# altered one: they are removed, so that `up` makes them anew.
UNPACK = """
set -e
umask 022
cd {root}/releases
rm -rf .new .old; mkdir .new
tar -xf .upload.tar -C .new --no-same-owner
if [ -e {id} ]; then
  mv {id} .old
  for service in {altered}; do
    docker ps -aq --filter label=com.docker.compose.project={stack} --filter label=com.docker.compose.service=$service | xargs -r docker rm -f
  done >/dev/null
fi
mv .new {id}
sync .
rm -rf .old .upload.tar
"""


@operation()
def unpacked(target: Target) -> Iterator[FileUploadCommand | str]:
    """Bring the release over when its files are not there as they should be."""
    there, want, root = observe(host, target).release, target.release.digests, target.plan.root
    if there == want:
        host.noop(f"release {target.release.id}")
        return
    altered = {o.service for o in target.plan.outputs if there and there.get(o.path) != want[o.path]}
    yield FileUploadCommand(io.BytesIO(target.release.archive()), f"{root}/releases/.upload.tar")
    yield UNPACK.format(root=root, id=target.release.id, stack=target.plan.stack, altered=" ".join(sorted(altered)))
    forget(host)
