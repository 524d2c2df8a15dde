"""AMD's parsers: words of every release of the tools, and mutilated ones."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gpufleet.catalog.vendors import amd, amd_smi, rocm_smi
from gpufleet.catalog.vendors.amd_told import Told

SMI = json.dumps(
    {"card1": {"Card Series": "0x1002", "PCI Bus": "0000:0C:00.0", "Unique ID": "0xabc"}, "card0": {"GPU ID": "0x7448"},
     "system": {"Driver version": "6.9"}}
)  # fmt: skip
POOL = [
    "pci 0000:0c:00.0 0x030000 0x1002 0x7448 driver=amdgpu numa=0 card=card0 render=renderD128",
    "amdsys 0000:0c:00.0 mem_info_vram_total 48301604864",
    "kfd 1 simd_count=192 location_id=3072 gfx_target_version=110000 memory=48301604864 end", "devkfd rw",
    f"rocmsmi|{SMI}", "rocmsmi#0", "rocmsmit|GPU[0]\t\t: PCI Bus: 0000:0c:00.0", "rocmsmit#0",
    "amdsmi|[{\"gpu\": 0, \"bus\": {\"bdf\": \"0000:0c:00.0\"}}]", "amdsmi#0",
    "rocminfo|Agent 2", "rocminfo|  Name:                    gfx1100", "rocminfo|  BDFID:                   3072",
    "rocminfo#0", "amdsmit|GPU: 0", "amdsmit|    BUS:", "amdsmit|        BDF: 0000:0C:00.0", "amdsmit#0",
    "lspci|banner", "²", "rocm ²",
]  # fmt: skip


def test_tools_of_every_age() -> None:
    cards, driver = rocm_smi.from_json("warning: x\n" + SMI)
    assert driver == "6.9"
    by = Told(driver="amdgpu", answered="rocm-smi")
    assert cards == [
        replace(by, index=0, pci_id="1002:7448"),
        replace(by, index=1, address="0000:0c:00.0", uuid="GPU-0000000000000abc"),
    ]
    static = {"gpu": 0, "asic": {"asic_serial": "N/A", "device_id": "0x7448"}, "vram": {"size": {"value": 46064}}}
    expected = Told(index=0, pci_id="1002:7448", total=46064, driver="amdgpu", answered="amd-smi")
    assert amd_smi.from_json(json.dumps([static])) == [expected]  # before ROCm 7
    assert amd_smi.from_json(json.dumps({"gpu_data": [static]})) == [expected]
    cut = '{"gpu_data": [{"gpu": 0, "asic": {"market_name": "Radeon", "device_id": "0x7448", "vram'
    assert amd_smi.from_json(cut) == [Told(index=0, name="Radeon", pci_id="1002:7448", driver="amdgpu")]


def test_one_card_told_of_by_every_source_is_one_card() -> None:
    seen = amd.parse([line for line in POOL if "Card Series" not in line])
    assert [(c.pci_address, c.vram_total_mib, c.gfx_target) for c in seen.cards] == [("0000:0c:00.0", 46064, "gfx1100")]
    assert seen.cards[0].usable


@given(st.data())
def test_mutilated_answers_raise_nothing_and_invent_no_card(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(POOL), max_size=12))
    lines = [x[: data.draw(st.integers(0, len(x)))] if data.draw(st.booleans()) else x + "\r" for x in chosen]
    told = {c.pci_address for c in amd.parse(lines).cards} - {None}
    assert told <= {"0000:0c:00.0"}
