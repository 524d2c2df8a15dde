"""Where the lab keeps things. ``cache`` may be deleted at any time; ``run`` goes with `down`."""

from __future__ import annotations

import os
from pathlib import Path

HOME = Path(os.environ.get("GPUFLEET_LAB", "/var/lib/gpufleet-lab"))
CACHE = HOME / "cache"
RUN = HOME / "run"
MIRROR = RUN / "mirror"  # of the vendors' repositories; it appears when somebody asks for them
FILES = Path(__file__).parent / "files"
REPOSITORY = Path(__file__).parent.parent.parent
PROFILES = REPOSITORY / "tests" / "cases" / "gpu"

BRIDGE = "gfl0"
GATEWAY = "10.98.0.1"
REGISTRY = f"{GATEWAY}:5000"
