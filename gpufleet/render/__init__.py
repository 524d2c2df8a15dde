"""Plan -> Release: the files of a host, byte for byte the same for the same plan."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..schema import Plan
from .compose import compose
from .files import generated

MODE = 0o644  # nothing in a release is secret: secrets live in the host's .env alone


@dataclass(frozen=True)
class Release:
    """Files by path below the release."""

    files: dict[str, bytes]

    @cached_property
    def digests(self) -> dict[str, str]:
        """sha256 in hex by path."""
        return {path: hashlib.sha256(data).hexdigest() for path, data in sorted(self.files.items())}

    @cached_property
    def id(self) -> str:
        """The release's name: 16 hex digits over all paths and contents."""
        return hashlib.sha256(repr(self.digests).encode()).hexdigest()[:16]

    def archive(self) -> bytes:
        return archive(self.files)


def archive(files: Mapping[str, bytes]) -> bytes:
    """Files by path as a tar, the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), MODE
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def render(plan: Plan) -> Release:
    """The release of a plan. Raises Refused when a template asks for what the plan does not have."""
    files = generated(plan)
    sources = {f"{b.folder}/{path}": text.encode() for b in plan.builds for path, text in b.files.items()}
    # What is known of other hosts when they do not answer.
    told = {"fleet.json": json.dumps([s.to_json() for s in plan.fleet.remotes], indent=1).encode()}
    fleet = told if plan.fleet.remotes else {}
    return Release({"compose.yaml": compose(plan, files), **files, **sources, **fleet})
