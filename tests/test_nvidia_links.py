"""Links between NVIDIA's cards, as `nvidia-smi topo -m` draws them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.catalog.vendors import nvidia
from gpufleet.catalog.vendors.seen import Seen
from gpufleet.schema.gpu import Link
from tests import corpus
from tests.test_nvidia import OWN, TOPOLOGY, tool

# The tool's second card is the first on the bus: it counts in no order that is promised.
FOUR = "index, pci.bus_id\n" + "\n".join(f"{n}, 00000000:{b}:00.0" for n, b in enumerate(["1B", "1A", "1C", "1D"]))
PATHS = [("a", "b", "nvlink", "NV18"), ("a", "c", "pcie", "NODE"), ("b", "c", "pcie", "SYS")]
PATHS += [("b", "d", "pcie", "PIX"), ("c", "d", "pcie", "PHB")]


def ends(seen: Seen) -> list[tuple[str, str, str, str]]:
    return [(link.cards[0][6], link.cards[1][6], link.kind, link.path) for link in seen.links]


@pytest.mark.parametrize("head", ["", "\x1b[4m", "a banner\n\n"])
def test_links_between_cards(head: str) -> None:
    told = tool("smicsv", FOUR)
    assert ends(nvidia.parse([*told, *tool("smitopo", head + TOPOLOGY)])) == PATHS
    assert ends(nvidia.parse([*told, *tool("smitopo", "Failed to initialize NVML: Unknown Error", 255)])) == []


@given(st.integers(0, len(TOPOLOGY)))
def test_of_a_cut_matrix_no_path_is_misread(end: int) -> None:
    assert set(ends(nvidia.parse([*tool("smicsv", FOUR), *tool("smitopo", TOPOLOGY[:end])]))) <= set(PATHS)


def test_the_probe_asks_for_links_where_there_are_two_cards(tmp_path: Path) -> None:
    shutil.copytree(OWN / "two-nvidia", tmp_path / "case", symlinks=True)
    (tmp_path / "case/cmd/nvidia-smi topo -m").write_text("\tGPU0\tGPU1\nGPU0\tX\tPHB\nGPU1\tPHB\tX\n")
    link = Link(cards=("0000:21:00.0", "0000:81:00.0"), kind="pcie", path="PHB")
    assert corpus.replay(tmp_path / "case").links == (link,)
