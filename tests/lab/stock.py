"""What the mirror of the vendors' repositories has alike, as .deb and as .rpm."""

from __future__ import annotations

# Debian's packages with the programs that become Docker's.
ENGINE = "docker.io docker-cli containerd runc tini docker-buildx"
TOOLKIT = ("1.19.1-1", "1.20.0-1")
TOOLKIT_PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
# Two branches: who wants the older one has to say so.
DRIVERS = ("580.178.04", "610.57.04")
