"""A locked site whose bytes are all real, and `gpufleet bundle` run there."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from gpufleet import cli
from gpufleet.schema import Bundle
from tests.declared import words
from tests.locking import BASE, IMAGES, Site
from tests.registry import OLLAMA

LAYER = {n: random.Random(n).randbytes(2_000_000) for n in ("base", "engine", "arm", "cuda", "weights")}

# How far it is, said every ten seconds: a busy machine may take so long.
FAR = re.compile(r"gpufleet bundle: (models|images): \S+ \S+ of ")


def digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


@dataclass
class Bundling:
    """``DIR`` of the command is ``out``; ``known``: what the last run told to know."""

    site: Site
    out: Path
    known: list[str] = field(default_factory=list)

    def publish(self) -> None:
        """Two images share a layer; one is for a single architecture."""
        images = self.site.registry
        images.image(BASE, amd64=LAYER["base"], arm64=LAYER["base"])
        images.image(IMAGES[0], amd64=LAYER["engine"], arm64=LAYER["arm"])
        images.image(IMAGES[1], amd64=LAYER["base"])
        images.image(IMAGES[2], OLLAMA, amd64=LAYER["base"])
        images.model("library/tiny:1b", LAYER["weights"], b'{"a": 1}')
        assert self.site.run()[0] == 0

    def run(self, *args: str, **data: Any) -> tuple[int, list[str], list[str]]:
        """Exit code, and lines of both outputs."""
        code = cli.main(["bundle", "inventory.py", str(self.out), *words(data), *args])
        told = self.site.capture.readouterr()
        assert "Traceback" not in told.err, told.err
        lines = [line for line in told.err.splitlines() if not FAR.match(line)]
        self.known = [line for line in lines if line.startswith("to know: ")]
        return code, told.out.splitlines(), [line for line in lines if line not in self.known]

    def start(self, **data: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gpufleet", "bundle", "inventory.py", str(self.out), *words(data)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    @property
    def told(self) -> Bundle:
        return Bundle.model_validate_json((self.out / "bundle.json").read_bytes())

    @property
    def seen(self) -> dict[str, bytes]:
        """What a web server gives, by path."""
        files = (Path(at) / name for at, _, names in os.walk(self.out) for name in names)
        found = {str(file.relative_to(self.out)): file.read_bytes() for file in files}
        return {path: data for path, data in found.items() if not path.startswith(".")}

    @property
    def sent(self) -> int:
        """Bytes of models and blobs that the servers have sent."""
        return self.site.hub.sent("*/resolve/*") + sum(self.site.registry.sent.values())
