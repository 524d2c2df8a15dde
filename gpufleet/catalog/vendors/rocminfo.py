"""What rocminfo prints: the agents that the runtime opens, processors among them."""

from __future__ import annotations

import re

from .amd_told import Told, chip, gfx, name, number, place, uuid

_VALUE = re.compile(
    r"^  (Name|Uuid|Marketing Name|Node|Device Type|Chip ID|BDFID): +(\S.*?) *$"
    r"|^ +Segment: +GLOBAL; FLAGS: (COARSE).*\n +Size: +([0-9]{1,15})\(",
    re.MULTILINE,
)


def cards(text: str) -> list[Told]:
    """Its agents that are no processors. The first coarse pool, KiB, is the memory; the address has no domain."""
    agents = (_agent(block) for block in re.split(r"^Agent [0-9]+ *$", text, flags=re.MULTILINE)[1:])
    return [agent for agent in agents if agent]


def _agent(block: str) -> Told | None:
    said: dict[str, str] = {}
    for key, value, coarse, size in _VALUE.findall(block):
        said.setdefault(key or coarse, value or size)
    target = gfx(said.get("Name"))
    if target is None or said.get("Device Type", "GPU") != "GPU":
        return None
    at, pool = number(said.get("BDFID")), number(said.get("COARSE"))
    id_ = re.search(r"\((0x[0-9a-f]+)\)", said.get("Chip ID", ""))
    return Told(
        node=number(said.get("Node")),
        product=name(said.get("Marketing Name")),
        uuid=uuid(said.get("Uuid")),
        gfx=target,
        address=place(at) if at else None,
        pci_id=chip(id_[1]) if id_ else None,
        total=pool >> 10 if pool else None,
        driver="amdgpu",
        answered="rocminfo",
    )
