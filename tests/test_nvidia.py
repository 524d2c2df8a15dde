"""NVIDIA's tools in all their formats, whole and mutilated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.catalog.vendors import nvidia
from gpufleet.catalog.vendors.seen import Seen

A, B = "GPU-11111111-2222-3333-4444-555555555555", "GPU-66666666-7777-8888-9999-aaaaaaaaaaaa"
M = "MIG-01234567-89ab-cdef-0123-456789abcdef"
BUS = ["pci 0000:1a:00.0 0x030000 0x10de 0x2204 driver=nvidia", "pci 0000:1b:00.0 0x030200 0x10de 0x2204 driver=nvidia"]
FREE = ["pci 0000:1a:00.0 0x030000 0x10de 0x2204 driver="]

OWN = Path(__file__).parent / "cases/gpu"
PRINTED = yaml.safe_load((Path(__file__).parent / "cases/nvidia.yaml").read_text())
XML, DETAIL, TABLE, OLD_TABLE, LIST, CSV, TOPOLOGY = PRINTED.values()
GONE = "Unable to determine the device handle for GPU1: 0000:1B:00.0: GPU is lost.  Reboot the system."


def tool(label: str, text: str, rc: int = 0) -> list[str]:
    return [*(f"{label}|{line}" for line in text.splitlines()), f"{label}#{rc}"]


def cards(seen: Seen, *keys: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(card, key) for key in keys) for card in seen.cards]


def codes(seen: Seen) -> list[str]:
    return sorted(problem.code for problem in seen.problems)


def test_xml_with_list() -> None:
    seen = nvidia.parse(
        [*BUS, *tool("smi", XML), *tool("smil", f"GPU 1: x (UUID: {B})\n  MIG 3g.40gb Device 0: (UUID: {M})")]
    )
    assert cards(
        seen, "index", "name", "pci_address", "uuid", "vram_total_mib", "vram_free_mib", "minor", "counts"
    ) == [
        (0, "NVIDIA Example 24", "0000:1a:00.0", A, 24576, 24275, 1, "yes"),
        (1, "NVIDIA Example 80", "0000:1b:00.0", B, 81920, 81000, None, "yes"),
    ]
    assert seen.cards[1].mig_devices is not None
    assert [(d.gi, d.profile, d.uuid, d.vram_total_mib) for d in seen.cards[1].mig_devices] == [
        (1, "3g.40gb", M, 40192)
    ]
    assert (codes(seen), seen.driver_version, seen.cuda_version) == (["gpu-degraded"], "560.10", "12.6")


def test_a_cut_report_says_less_and_nothing_else() -> None:
    seen = nvidia.parse(tool("smi", XML[: XML.index("81920") + 2]))
    assert cards(seen, "uuid", "vram_total_mib", "usable") == [(A, 24576, True), (B, None, True)]


def test_indented_details_of_a_vgpu() -> None:
    seen = nvidia.parse(tool("smiq", DETAIL))
    assert cards(seen, "kind", "virtual", "vram_total_mib", "pci_id") == [("vgpu", "vgpu", 8192, "10de:2204")]
    assert (seen.driver_version, seen.cuda_version, codes(seen)) == ("610.10.01", "13.3", ["gpu-degraded"])


def test_table() -> None:
    seen = nvidia.parse(tool("smit", TABLE))
    assert cards(seen, "index", "name", "vram_total_mib", "mig_mode", "usable") == [
        (0, "NVIDIA Example Card With ...", 24576, "Disabled", True),
        (1, "NVIDIA Example 141", 143771, "Enabled", True),
        (2, None, 24576, None, False),
    ]
    assert [(d.ci, d.vram_total_mib) for d in seen.cards[1].mig_devices or ()] == [(0, 71424), (1, 71424)]
    assert codes(seen) == ["gpu-lost"]


ONE_CARD = TABLE.split("\n|   1")[0]
MASKED = "GPU-00000000-0000-0000-0000-000000000000"
PROC = [f"nvinfo 0000:1{x}:00.0 Model: \t Example {x}" for x in "ab"]
BOTH = f"GPU 0: Example a (UUID: {A})\nGPU 1: Example b (UUID: {B})"
JOINED: list[tuple[list[str], list[tuple[Any, ...]]]] = [
    # The bus is hidden, the driver's own list is not.
    ([*PROC, *tool("smil", BOTH)], [(0, "0000:1a:00.0", A), (1, "0000:1b:00.0", B)]),
    # One is known by its identifier: the other is what is left.
    (
        [*PROC, f"nvinfo 0000:1b:00.0 GPU UUID: {A}", *tool("smil", BOTH)],
        [(0, "0000:1b:00.0", A), (1, "0000:1a:00.0", B)],
    ),
    # Identifiers that somebody masked are all one.
    (
        tool("smi", XML.replace(A, MASKED).replace(B, MASKED)),
        [(0, "0000:1a:00.0", MASKED), (1, "0000:1b:00.0", MASKED)],
    ),
    (tool("smil", f"GPU 0: x (UUID: {MASKED})\nGPU 1: x (UUID: {MASKED})"), [(0, None, MASKED), (1, None, MASKED)]),
    (tool("smil", f"GPU 0: Orin (nvgpu) (UUID: {A[4:]})"), [(0, None, A[4:])]),
    # A card of the host that a container was not given.
    (
        [*BUS, *tool("smicsv", f"index, uuid, pci.bus_id\n0, {B}, 00000000:1B:00.0")],
        [(0, "0000:1b:00.0", B), (None, "0000:1a:00.0", None)],
    ),
    # A report in which a line came twice, and one in which a card's line is broken.
    (tool("smiq", f"GPU 00000000:1A:00.0\nGPU 00000000:1A:00.0\n    GPU UUID : {A}\nx"), [(0, "0000:1a:00.0", A)]),
    (tool("smiq", f"GPU \n    GPU UUID : {A}\nGPU 00000000:1B:00.0\n    GPU UUID : {B}\nx"), [(0, "0000:1b:00.0", B)]),
]


@pytest.mark.parametrize(("lines", "known"), JOINED)
def test_one_card_in_several_sources(lines: list[str], known: list[tuple[Any, ...]]) -> None:
    assert cards(nvidia.parse(lines), "index", "pci_address", "uuid") == known


def test_windows_driver_is_no_mismatch() -> None:
    wsl = ONE_CARD.replace("Driver Version: 590.10", "Driver Version: 591.44")
    seen = nvidia.parse(["nvnode dxg", *tool("smit", wsl)])
    assert cards(seen, "kernel_driver", "driver_version", "usable") == [(None, "591.44", True)]
    assert codes(seen) == []


TABLED = ONE_CARD.replace("2MiB /  24576MiB", "Not Supported    ")
KINDS: list[tuple[list[str], str, str | None]] = [
    (["pci 000f:01:00.0 0x030000 0x10de 0x2e12 driver=nvidia"], "soc", "unified"),
    (["pci 0000:01:00.0 0x030200 0x10de 0x2b00 driver="], "soc", "unified"),
    (["pci 0009:01:00.0 0x030200 0x10de 0x2342 driver=nvidia"], "dgpu", None),
    (["pci 0000:02:00.0 0x030000 0x10de 0x0845 driver=nouveau"], "igpu", None),
    (tool("smil", f"GPU 0: NVIDIA GB10 (UUID: {A})"), "soc", "unified"),
    (tool("smil", f"GPU 0: NVIDIA Thor  (UUID: {A[4:]})"), "soc", "unified"),
    (tool("smil", f"GPU 0: Orin (nvgpu) (UUID: {A[4:]})"), "soc", "unified"),
    (tool("smil", f"GPU 0: NVIDIA GB100 (UUID: {A})"), "dgpu", None),
    (tool("smil", f"GPU 0: NVIDIA A100X-1-10CME (UUID: {A})"), "vgpu", None),
    (tool("smil", f"GPU 0: NVIDIA RTX Pro 6000 DC-24Q (UUID: {A})"), "vgpu", None),
    (tool("smil", f"GPU 0: NVIDIA A100-SXM4-80GB (UUID: {A})"), "dgpu", None),
    (tool("smicsv", "index, name, memory.total\n0, NVIDIA GH200 480GB, 97871 MiB"), "dgpu", "dedicated"),
    (tool("smicsv", "index, name, memory.total\n0, NVIDIA N1X, 8128 MiB"), "soc", "unified"),
    (tool("smicsv", "index, name, memory.total\n0, GRID V100-4C, [N/A]"), "vgpu", None),
    (tool("smit", TABLED), "soc", "unified"),
]


@pytest.mark.parametrize(("lines", "kind", "memory"), KINDS)
def test_kinds(lines: list[str], kind: str, memory: str | None) -> None:
    assert cards(nvidia.parse(lines), "kind", "memory_kind") == [(kind, memory)]


def test_table_of_an_old_driver() -> None:
    seen = nvidia.parse(tool("smit", OLD_TABLE, 14))
    assert cards(seen, "pci_address", "vram_total_mib", "cuda_version", "usable") == [
        ("0000:1a:00.0", 8105, None, True)
    ]
    assert codes(seen) == ["gpu-degraded"]


def test_list() -> None:
    seen = nvidia.parse(tool("smil", LIST))
    assert cards(seen, "name", "uuid") == [("Example (one)", A), ("Example Two", None)]
    assert [(d.gi, d.ci, d.profile) for d in seen.cards[1].mig_devices or ()] == [(7, 1, "1c.2g.20gb")]


def test_csv_without_units() -> None:
    seen = nvidia.parse([*BUS, *tool("smicsv", CSV)])
    assert cards(seen, "uuid", "vram_total_mib", "usable") == [(A, 24576, True), (None, None, False)]
    assert codes(seen) == ["gpu-lost"]


def test_lost_cards_leave_the_others_known() -> None:
    first = re.sub(r'<gpu id="00000000:1B.*</gpu>', "", XML, flags=re.DOTALL)
    seen = nvidia.parse([*BUS, *tool("smi", GONE, 255), *tool("smione", first), *tool("smione", GONE, 255)])
    assert cards(seen, "pci_address", "index", "usable") == [("0000:1a:00.0", None, True), ("0000:1b:00.0", 1, False)]
    assert codes(seen) == ["gpu-degraded", "gpu-lost"]


BOUND = "pci 0000:1a:00.0 0x030000 0x10de 0x2204 driver="
UNSUPPORTED = """NVRM: The NVIDIA GPU 0000:1a:00.0 (PCI ID: 10de:2204)
NVRM: installed in this system is not supported by
NVRM: this driver."""
NO_INSTANCES = re.sub("<mig_devices>\n.*?</mig_devices>", "<mig_devices/>", XML, flags=re.DOTALL)
COMMUNICATE = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
SAYS = {
    "No devices were found": "no-devices-found",
    "Failed to initialize NVML: Unknown Error": "container-lost-gpu",
    "Failed to initialize NVML: Driver/library version mismatch": "driver-mismatch",
    "NVIDIA-SMI couldn't find libnvidia-ml.so library": "nvml-library-missing",
    COMMUNICATE: "driver-not-loaded",
}
FAULTS: list[tuple[list[str], list[str], list[bool | None]]] = [
    (FREE, ["no-driver-bound"], [False]),
    ([*FREE, *tool("kmod", "580.10.01")], ["driver-not-loaded"], [False]),
    ([*FREE, *tool("smit", COMMUNICATE, 9)], ["driver-not-loaded"], [False]),
    ([BOUND + "nouveau", *tool("smit", "No devices were found", 6)], ["bound-nouveau"], [False]),
    ([BOUND + "vfio-pci"], ["bound-vfio"], [False]),
    (BUS, [], [None, None]),
    ([*BUS, "smi#124"], ["tool-output-unreadable"], [None, None]),
    (tool("smit", "what is this", 1), ["tool-output-unreadable"], []),
    (tool("dmesg", "[1] NVRM: Xid (PCI:0000:1a:00): 79, GPU has fallen off the bus."), ["gpu-lost"], [False]),
    ([*FREE, *tool("dmesg", UNSUPPORTED)], ["gpu-unsupported"], [False]),
    (["nvinfo 0000:1a:00.0 Model: \t Unknown", "nvinfo 0000:1a:00.0 IRQ: 1"], ["gpu-lost"], [False]),
    (tool("smicsv", "index, name, memory.total [MiB]\n0, NVIDIA Example, [N/A]"), ["memory-not-reported"], [True]),
    (tool("smit", ONE_CARD.replace("13.1", "ERR!")), ["cuda-library-broken"], [None]),
    (tool("smit", ONE_CARD.replace("13.1", "N/A ")), ["no-cuda-driver"], [False]),
    (tool("smi", NO_INSTANCES), ["gpu-degraded", "mig-no-instances"], [True, False]),
]
FAULTS += [([*BUS, *tool("smit", says, 1)], [code], [False, False]) for says, code in SAYS.items()]


@pytest.mark.parametrize(("lines", "expected", "usable"), FAULTS)
def test_faults(lines: list[str], expected: list[str], usable: list[bool | None]) -> None:
    seen = nvidia.parse(lines)
    assert (codes(seen), [c.usable for c in seen.cards]) == (expected, usable)


WHOLE = [
    tool("smi", XML),
    tool("smiq", DETAIL),
    tool("smit", TABLE),
    tool("smil", LIST),
    tool("smicsv", CSV),
    [*BUS, *tool("smi", GONE, 255)],
    tool("dmesg", "NVRM: GPU 0000:1a:00.0: RmInitAdapter failed! (0x22:0x56:884)"),
    ["nvinfo 0000:1a:00.0 Model: \t NVIDIA Example 24", f"nvinfo 0000:1a:00.0 GPU UUID: \t {A}"],
]
KNOWN = {"0000:1a:00.0", "0000:1b:00.0", "0000:1c:00.0", None}


@given(st.sampled_from(WHOLE), st.data())
def test_mutilated_output_invents_no_card(whole: list[str], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.integers(0, len(whole) - 1), unique=True))
    cut = data.draw(st.integers(0, 100))
    lines = [whole[n] for n in (kept if data.draw(st.booleans()) else sorted(kept))]
    lines = [*lines[:-1], lines[-1][:cut]] if lines else []
    seen = nvidia.parse([line + data.draw(st.sampled_from(["", "\r"])) for line in lines])
    assert {c.pci_address for c in seen.cards} <= KNOWN
    assert {c.uuid for c in seen.cards} <= {A, B, None}
    assert len(seen.cards) <= len(nvidia.parse(whole).cards)


LABELS = [*(f"{x}|" for x in (*nvidia.LABELS, "lspci", "dmesg", "kmod")), "smi!", "nvinfo ", "nvrm ", "pci ", ""]


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.text(st.characters(exclude_categories=()), max_size=60))))
def test_no_text_is_too_strange(lines: list[tuple[str, str]]) -> None:
    assert not [c for c in nvidia.parse([a + b for a, b in lines]).cards if not (c.pci_address or c.index is not None)]
