"""Everything plan() asks of a host, in one remote command."""

from __future__ import annotations

from typing import Any

from pyinfra.api.facts import FactBase
from typing_extensions import override

from ..schema import HostFacts
from . import accounts, answers, disk, engine, env, gpu, kept, known, nodes, plumbing, ports, stored, system
from .section import Section, parse, probe

SECTIONS: list[Section[Any]] = [
    system.SECTION,
    accounts.SECTION,
    gpu.SECTION,
    nodes.SECTION,
    plumbing.SECTION,
    engine.SECTION,
    engine.ELSEWHERE_SECTION,
    ports.SECTION,
    disk.SECTION,
    disk.PRESENT_SECTION,
    answers.SECTION,
    kept.SECTION,
    env.SECTION,
    env.WRONG_SECTION,
    known.SECTION,
    stored.HELD,
]


class Facts(FactBase[HostFacts | None]):
    """Returns HostFacts; None when the host did not answer.

    ``models``, ``operators``, ``urls`` to ask, ``kept`` files, names of ``secrets``: a line each; ``engine``: docker
    or podman; ``quota``: anything, where what lies below the directory of models is to be summed.
    """

    @override
    def command(
        self,
        root: str = "/srv",
        models: str = "",
        operators: str = "",
        urls: str = "",
        kept: str = "",
        secrets: str = "",
        quota: str = "",
        engine: str = "docker",
    ) -> str:
        lists = {"models": models, "operators": operators, "urls": urls, "kept": kept, "secrets": secrets}
        return probe(SECTIONS, root=root, engine=engine, quota=quota, **lists)

    @override
    def process(self, output: list[str]) -> HostFacts:
        found = parse(SECTIONS, output)
        names = {"ports": "listeners", "disk": "disks"}
        return HostFacts(**{names.get(name, name): value for name, value in found.items()})
