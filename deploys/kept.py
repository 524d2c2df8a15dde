"""Kept files: our keys set in files that the user and a program write, too."""

from __future__ import annotations

import io

from pyinfra.api.command import FileUploadCommand
from pyinfra.context import host

from ..facts.kept import Kept
from ..plan.kept import pending
from .observe import Commands, Target, arguments
from .script import script


def written(target: Target, services: tuple[str, ...], functions: str) -> Commands:
    """Set our keys in the files of ``services``. ``functions``: those of the scripts that change what runs.

    The services end first, and the files are read again then: a program may write its own as it ends.
    """
    plan = target.plan
    if not services:
        return
    yield functions + script("rest", services=" ".join(services), stack=plan.stack)
    have = host.get_fact(Kept, kept=arguments(target)["kept"])
    if have is None:
        yield "exit 1"
        return
    for path, new in pending(plan, target.release, have).items():
        service = next(o.service for o in plan.outputs if o.keep == path)
        yield FileUploadCommand(io.BytesIO(new.text.encode()), f"{plan.root}/releases/.kept/new")
        yield functions + script("merge", path=path, service=service)
