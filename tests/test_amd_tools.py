"""What AMD's tools of every age print of one card."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gpufleet.catalog.vendors import amd
from tests.test_amd import GIB, card, tool

OLD = {
    "GPU ID": "0x687f",
    "Unique ID": "0x1f2e3d4c5b6a798",
    "Card series": "Vega 10 XL/XT",
    "Card model": "0x0b36",
    "vram Total Memory (B)": str(8 * GIB),
    "vram Total Used Memory (B)": str(GIB),
}
OLD_TEXT = """
========================ROCm System Management Interface========================
GPU[1] \t\t: GPU ID: 0x687f
GPU[1] \t\t: Unique ID: 01f2e3d4c5b6a798
GPU[1]\t\t: Card series: \t\tVega 10 XL/XT
GPU  Temp   AvgPwr  SCLK    MCLK    Fan     Perf  PwrCap  VRAM%  GPU%
1    33.0c  9.0W    852Mhz  167Mhz  14.9%   auto  220.0W    0%   0%
"""
NEW_TEXT = """
Device  Node  IDs              Temp    Power  Partitions          SCLK   MCLK
              (DID,     GUID)  (Edge)  (Avg)  (Mem, Compute, ID)
0       1     0x7448,   40113  41.0°C  17.0W  N/A, N/A, 0         28Mhz  96Mhz
1       2     0x13c0,   9011   N/A     N/A    N/A, N/A, 0         None   1800Mhz
"""
PHOENIX = {"gpu": 0, "bdf": "0000:c4:00.0", "uuid": "00ff1900-0000-1000-8000-000000000000", "node_id": 1}
INSTINCT = {"gpu": 3, "bdf": "0001:c4:00.0", "uuid": "a1ff74a1-0000-1000-80b2-0123456789ab", "node_id": 5}
STATIC = {
    "gpu": 0,
    "asic": {"market_name": "...0 Graphics", "device_id": "0x1900", "asic_serial": "0x0000000000000000"},
    "bus": {"bdf": "0000:C4:00.0"},
    "board": {"product_name": "Phoenix"},
    "vram": {"vram_size_mb": 4096},
    "driver": {"driver_version": "6.12"},
}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            tool("rocmsmi", json.dumps({"card1": OLD})),
            {"index": 1, "uuid": "GPU-01f2e3d4c5b6a798", "pci_id": "1002:687f"},
        ),
        (
            tool("rocmsmi", json.dumps({"card1": OLD})),
            {"vram_total_mib": 8192, "vram_free_mib": 7168, "gfx_target": None},
        ),
        (tool("rocmsmit", OLD_TEXT), {"index": 1, "uuid": "GPU-01f2e3d4c5b6a798", "name": "Vega 10 XL/XT"}),
        (
            tool("rocmsmi", json.dumps({"card0": {"Card Model": "0x7408", "Node ID": "7", "GFX Version": "gfx9010"}})),
            {"gfx_target": "gfx90a", "kfd_node": 7, "pci_id": "1002:7408"},
        ),
        (tool("amdsmi", json.dumps([PHOENIX])), {"uuid": None, "pci_id": "1002:1900", "kind": "apu", "kfd_node": 1}),
        (
            tool("amdsmi", json.dumps({"gpu_data": [INSTINCT]})),
            {"uuid": "GPU-a1b20123456789ab", "pci_address": "0001:c4:00.0", "index": 3, "kind": "dgpu"},
        ),
        (
            tool("amdsmit", "GPU: 0\n    BDF: 0000:c4:00.0\n    UUID: 00ff1900-0000-1000-8000-000000000000"),
            {"uuid": None, "pci_id": "1002:1900", "pci_address": "0000:c4:00.0"},
        ),
        (
            tool("amdsmi", json.dumps([STATIC])),
            {"name": "Phoenix", "uuid": None, "vram_total_mib": 4096, "driver_version": "6.12", "counts": "uma"},
        ),
        (
            tool(
                "lspci", "c1:00.0 Processing accelerators: Advanced Micro Devices, Inc. [AMD/ATI] Device 74a1 (rev 01)"
            ),
            {"pci_id": "1002:74a1", "name": None, "usable": None},
        ),
    ],
)
def test_tools_of_every_age_tell_one_card(lines: list[str], expected: dict[str, Any]) -> None:
    assert {key: getattr(card(lines), key) for key in expected} == expected


def test_a_table_numbers_and_names_chips() -> None:
    cards = amd.parse(tool("rocmsmit", NEW_TEXT)).cards
    assert [(c.index, c.pci_id, c.kfd_node, c.counts) for c in cards] == [
        (0, "1002:7448", 1, "yes"),
        (1, "1002:13c0", 2, "no"),
    ]
