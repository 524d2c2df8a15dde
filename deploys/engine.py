"""The container engine and its compose plugin, from the distribution."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api.operation import operation

from .observe import Target, forget, observe

# apt waits for another apt's lock instead of failing at once; nothing may ask a question.
INSTALL = """
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/tmp/gpufleet-apt.log 2>&1 &&
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 {packages} >>/tmp/gpufleet-apt.log 2>&1 || {{
  echo "engine: cannot install {packages}; look at the lines below, then run again" >&2
  tail -n 15 /tmp/gpufleet-apt.log >&2
  exit 1
}}
rm -f /tmp/gpufleet-apt.log
systemctl enable --now docker
"""


@operation()
def installed(target: Target, packages: tuple[str, ...]) -> Iterator[str]:
    """Install the engine's packages where the engine or its compose plugin is missing."""
    engine = observe(host, target).engine
    if engine.version and engine.compose_version:
        host.noop(f"docker {engine.version} with compose {engine.compose_version}")
        return
    yield INSTALL.format(packages=" ".join((*packages, "ca-certificates", "curl")))
    forget(host)
