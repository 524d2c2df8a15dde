"""AMD's parsers: words of every release of the tools, and mutilated ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.catalog.vendors import amd, amd_smi, rocm_smi
from gpufleet.catalog.vendors.amd_told import Told
from gpufleet.schema.gpu import Gpu
from tests import corpus

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


def tool(label: str, text: str, rc: int = 0) -> list[str]:
    """A tool's answer as the probe prints it."""
    return [*(f"{label}|{line}" for line in text.splitlines()), f"{label}#{rc}"]


def card(lines: list[str]) -> Gpu:
    """The one card in ``lines``."""
    (found,) = amd.parse(lines).cards
    return found


def sys_(address: str, **files: int | str) -> list[str]:
    return [f"amdsys {address} {name} {value}" for name, value in files.items()]


def bus(address: str, chip: str, driver: str = "amdgpu") -> str:
    return f"pci {address} 0x030000 0x1002 0x{chip} driver={driver} numa= card=card0 render=renderD128"


GIB = 1 << 30
AT = "0000:21:00.0"


@pytest.mark.parametrize(
    ("lines", "kind", "memory"),
    [
        # GTT as big as the memory is what kernels before 6.1 gave a card; of these neither has the file of a maker.
        ([bus(AT, "67df"), *sys_(AT, mem_info_vram_total=8 * GIB, mem_info_gtt_total=8 * GIB)], "dgpu", "dedicated"),
        (sys_("drm:card0", mem_info_vram_total=4 * GIB, mem_info_gtt_total=4 * GIB), "dgpu", "dedicated"),
        # Much GTT beside a card: the host has much memory, and /sys names the maker of the card's.
        (
            [bus(AT, "ffff"), *sys_(AT, mem_info_vram_total=8 * GIB, mem_info_gtt_total=250 * GIB, board_info="yes")],
            "dgpu",
            "dedicated",
        ),
        ([bus(AT, "1586"), *sys_(AT, mem_info_vram_total=GIB // 2, mem_info_gtt_total=124 * GIB)], "apu", "unified"),
        ([bus(AT, "ffff"), *sys_(AT, mem_info_vram_total=8 * GIB, mem_info_gtt_total=15 * GIB)], "apu", "unified"),
        ([bus(AT, "ffff"), *sys_(AT, mem_info_vram_total=96 * GIB, mem_info_gtt_total=96 * GIB)], "apu", "unified"),
        ([bus(AT, "ffff")], "dgpu", None),
        (
            ["kfd 1 simd_count=912 gfx_target_version=90402 device_id=29856 location_id=256 memory=9 end"],
            "apu",
            "unified",
        ),
        (["kfd 1 simd_count=24 gfx_target_version=110003 location_id=50176 end"], "apu", "unified"),
    ],
)
def test_a_processor_is_told_from_a_card_by_more_than_its_gtt(lines: list[str], kind: str, memory: str | None) -> None:
    assert (card(lines).kind, card(lines).memory_kind) == (kind, memory)


def test_partitions_share_an_identifier_and_not_their_memory_or_links() -> None:
    nodes = [(c, f) for c in range(1, 9) for f in range(8)][:63]
    lines = [
        x
        for c in range(1, 9)
        for x in (
            f"pci 0000:{c:02x}:00.0 0x120000 0x1002 0x74a1 driver=amdgpu numa=1 card=card{c} render=",
            *sys_(f"0000:{c:02x}:00.0", mem_info_vram_total=192 * GIB, mem_info_vram_used=0, unique_id=f"{c + 7:016x}"),
        )
    ]
    for n, (c, f) in enumerate(nodes):
        lines.append(
            f"kfd {n + 2} simd_count=152 gfx_target_version=90402 vendor_id=4098 device_id=29857 domain=0"
            f" location_id={c * 256 + f} unique_id={c + 7} memory={24 * GIB} end"
        )
        lines.append(f"kfdlinks {n + 2} xgmi {' '.join(str(m + 2) for m in range(63) if m != n)} end")
    seen = amd.parse(lines[::-1])
    assert {(c.pci_address, c.uuid) for c in seen.cards} == {
        (f"0000:{c:02x}:00.{f}", f"GPU-{c + 7:016x}") for c, f in nodes
    }
    assert {(c.vram_total_mib, c.vram_free_mib, c.gfx_target) for c in seen.cards} == {(24576, None, "gfx942")}
    assert [link.cards for link in seen.links] == [
        (f"0000:{a:02x}:00.0", f"0000:{b:02x}:00.0") for a in range(1, 9) for b in range(a + 1, 9)
    ]
    assert {link.kind for link in seen.links} == {"xgmi"}


def test_links_of_two_kinds_each_pair_once() -> None:
    lines = [f"kfd {n} simd_count=1 location_id={n << 8} domain=1 end" for n in (5, 6, 7)]
    links = ["kfdlinks 5 pcie 6 7 end", "kfdlinks 6 xgmi 5 end", "kfdlinks 6 pcie 5 7 9 end", "kfdlinks 7 pcie 5 6"]
    assert [(*link.cards, link.kind) for link in amd.parse(lines + links).links] == [
        ("0001:05:00.0", "0001:06:00.0", "xgmi"),
        ("0001:05:00.0", "0001:07:00.0", "pcie"),
        ("0001:06:00.0", "0001:07:00.0", "pcie"),
    ]


def test_the_probe_reads_links_between_cards_and_none_to_processors(tmp_path: Path) -> None:
    def put(path: str, **said: int) -> None:
        file = tmp_path / "fs/sys/class/kfd/kfd/topology/nodes" / path / "properties"
        file.parent.mkdir(parents=True)
        file.write_text("".join(f"{key} {value}\n" for key, value in said.items()))

    put("0", cpu_cores_count=8, simd_count=0)
    put("0/io_links/0", type=2, version_major=0, node_from=0, node_to=2, weight=20)
    for node in (2, 10, 11):
        put(
            str(node),
            simd_count=440,
            vendor_id=0x1002,
            device_id=0x740C,
            location_id=node << 8,
            domain=0,
            unique_id=node,
        )
        put(f"{node}/mem_banks/0", heap_type=1, size_in_bytes=64 * GIB, flags=0)
        put(f"{node}/mem_banks/1", heap_type=4, size_in_bytes=GIB)
        put(f"{node}/io_links/0", type=2, node_from=node, node_to=0, weight=20)
    put("2/io_links/1", type=11, node_from=2, node_to=10, weight=15)
    put("10/io_links/1", type=11, node_from=10, node_to=2, weight=15)
    put("11/p2p_links/0", type=2, node_from=11, node_to=2, weight=40)
    seen = corpus.replay(tmp_path)
    assert [(*link.cards, link.kind) for link in seen.links] == [
        ("0000:02:00.0", "0000:0a:00.0", "xgmi"),
        ("0000:02:00.0", "0000:0b:00.0", "pcie"),
    ]
    assert [(c.kfd_node, c.vram_total_mib, c.uuid) for c in seen.cards] == [
        (n, 65536, f"GPU-{n:016x}") for n in (2, 10, 11)
    ]


def agent(node: int, at: int, name: str) -> str:
    return f"Agent {node + 1}\n  Name:    gfx942   \n  Marketing Name:   {name}\n  Node:   {node}\n  BDFID:   {at}\n"


def test_an_address_without_its_domain_finds_the_card_of_its_node() -> None:
    nodes = [f"kfd {n} simd_count=4 location_id=2560 domain={n} end" for n in (2, 3)]
    cards = amd.parse(nodes + tool("rocminfo", agent(3, 2560, "third") + agent(2, 2560, "second"))).cards
    assert [(c.pci_address, c.name) for c in cards] == [("0002:0a:00.0", "second"), ("0003:0a:00.0", "third")]


def test_an_agent_with_an_address_chooses_before_one_without() -> None:
    smi = {"card0": {"GPU ID": "0x74a1"}, "card1": {"PCI Bus": "0000:01:00.0"}}
    agents = "Agent 1\n  Name:    gfx942\nAgent 2\n  Name:    gfx942\n  BDFID:   512\n"
    cards = amd.parse(tool("rocmsmi", json.dumps(smi)) + tool("rocminfo", agents)).cards
    assert {(c.index, c.pci_address) for c in cards} == {(0, "0000:02:00.0"), (1, "0000:01:00.0")}


def test_half_an_identifier_is_none() -> None:
    cut = '{"gpu_data": [\n{"gpu": 0, "bus": {"bdf": "0000:01:00.0"}, "asic": {"asic_serial": "0x41625e51'
    assert (card(tool("amdsmi", cut)).uuid, card(tool("amdsmi", cut)).pci_address) == (None, "0000:01:00.0")


def test_a_container_that_numbers_nodes_anew_has_no_card_more() -> None:
    found = card(["kfd 5 simd_count=4 location_id=2560 domain=1 end", *tool("rocminfo", agent(1, 2560, "x"))])
    assert (found.kfd_node, found.pci_address, found.usable) == (5, "0001:0a:00.0", True)


def test_what_may_be_any_of_several_cards_is_said_of_none() -> None:
    listing = [bus("0000:01:00.0", "7448"), bus("0000:02:00.0", "7448"), bus("0000:03:00.0", "7448", "vfio-pci")]
    seen = amd.parse([*listing, *tool("rocmsmi", json.dumps({"card0": {"Unique ID": "0xabc", "GPU ID": "0x7448"}}))])
    assert [(c.uuid, c.usable) for c in seen.cards] == [(None, None), (None, None), (None, False)]
    both = {f"card{n}": {"Unique ID": f"0xabc{n}", "GPU ID": "0x7448"} for n in (0, 1)}
    seen = amd.parse([*listing, *tool("rocmsmi", json.dumps(both))])
    assert [c.uuid for c in seen.cards] == ["GPU-000000000000abc0", "GPU-000000000000abc1", None]


@pytest.mark.parametrize(
    ("lines", "codes", "usable"),
    [
        ([bus(AT, "73bf", "")], ["no-driver-bound"], False),
        ([bus(AT, "73bf", "xen-pciback")], ["bound-vfio"], False),
        ([bus(AT, "73bf"), "devkfd no"], ["no-permission-kfd"], False),
        (
            [bus(AT, "73bf"), *tool("rocminfo", "Unable to open /dev/kfd read-write: Invalid argument")],
            ["no-permission-kfd"],
            False,
        ),
        (
            [bus(AT, "67df"), *tool("dmesg", "kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics 730<0")],
            ["gpu-unsupported"],
            False,
        ),
        ([bus(AT, "73bf"), *tool("rocmsmit", "ERROR:root:Driver not initialized")], ["tool-false-negative"], None),
        ([bus(AT, "73bf"), *tool("amdsmi", "", 124)], ["tool-output-unreadable"], None),
        ([bus(AT, "73bf"), *tool("amdsmi", "[WARNING] x\n[\n  {", 0)], ["tool-output-unreadable"], None),
    ],
)
def test_what_keeps_a_card_from_use(lines: list[str], codes: list[str], usable: bool | None) -> None:
    seen = amd.parse(lines)
    assert ([p.code for p in seen.problems], [c.usable for c in seen.cards]) == (codes, [usable])
