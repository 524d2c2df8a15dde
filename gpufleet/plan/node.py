"""A node of a cluster: nobody asks it, so it is described, and planned for like a host that has all that it needs."""

from __future__ import annotations

from ..schema import Accelerator, Engine, Gpu, Gpus, HostFacts, System
from .access import ACCELERATORS
from .roles import ROLES


def described(accelerator: Accelerator, cards: int, vram_mib: int, ram_mib: int, gfx: str) -> tuple[str, HostFacts]:
    """(role, facts) of a node with equal cards; ``gfx``: the compute target of AMD's.

    The cards have no UUID: which one a container gets is decided by the cluster.
    """
    vendor = {built: vendor for vendor, built in ACCELERATORS.items()}.get(accelerator)
    amd = {"gfx_target": gfx} if vendor == "amd" else {}
    found = tuple(
        Gpu.model_validate(
            {
                "vendor": vendor,
                "name": f"card {number}",
                "pci_address": f"0000:{number:02x}:00.0",
                "render_node": f"renderD{128 + number}",
                "vram_total_mib": vram_mib,
                "vram_source": "driver",
                "usable": True,
                "counts": "yes",
                **amd,
            }
        )
        for number in range(cards if vendor else 0)
    )
    system = System(distro="debian", distro_version="13", arch="x86_64", uid=0, memory_mib=ram_mib)
    engine = Engine(version="28.5.2", compose_version="2.40.3", reachable=True, cdi_devices=("nvidia.com/gpu=0",))
    return ROLES[min(len(found), 2)], HostFacts(system=system, engine=engine, gpus=Gpus(cards=found))
