"""Package sources and packages: the engine, the vendors' toolkits and drivers."""

from __future__ import annotations

import io

from pyinfra.api.command import FileUploadCommand
from pyinfra.context import host

from ..plan.amd import TOOLKIT
from ..plan.daemon import PATH
from ..plan.drift import missing_packages, missing_sources
from ..plan.provision import UNITS
from ..schema import HostState
from .observe import Commands, Target, converging
from .script import script


@converging
def installed(target: Target, state: HostState) -> Commands:
    """Install what is missing, from the repositories that have it, and hold what must stay."""
    wanted = target.plan.provision
    sources, packages = missing_sources(wanted, state.plumbing), missing_packages(wanted, state.plumbing)
    if not (sources or packages):
        host.noop(f"{len(wanted.packages)} packages")
        return
    for source in sources:
        key = {"url": source.key_url, "key": source.key_file, "fingerprint": source.fingerprint}
        yield script("key", manager=wanted.manager, repository=source.name, **key)
        for path, content in source.files.items():
            yield FileUploadCommand(io.BytesIO(content.encode()), path)
    names = " ".join(f"{name}={version}" if version else name for name, version in packages.items())
    hold = " ".join(name for name in packages if name in wanted.hold)
    install = script(str(wanted.manager), first=" ".join(wanted.first), packages=names, hold=hold)
    upgrade = TOOLKIT in packages and TOOLKIT in state.plumbing.packages
    install = script("keep", paths=f"/etc/cdi {PATH}", then=install) if upgrade else install
    fresh = [f for s in sources for f in (*s.files, s.key_file) if f not in state.plumbing.digests]
    yield script("undo", fresh=" ".join(fresh), then=install) if fresh else install
    yield script("start", unit=UNITS[wanted.engine])
