"""What one vendor's parser returns."""

from __future__ import annotations

from dataclasses import dataclass

from ...schema.gpu import Gpu, GpuProblem, Link


@dataclass(frozen=True)
class Seen:
    """Cards and problems of one vendor; the versions are of the host's driver and software."""

    cards: tuple[Gpu, ...] = ()
    problems: tuple[GpuProblem, ...] = ()
    driver_version: str | None = None
    cuda_version: str | None = None
    rocm_version: str | None = None
    links: tuple[Link, ...] = ()
