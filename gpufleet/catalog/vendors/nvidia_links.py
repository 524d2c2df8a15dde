"""How the cards reach each other: the matrix that `nvidia-smi topo -m` prints."""

from __future__ import annotations

import re
from itertools import combinations, takewhile

from ...schema.gpu import Link

# The head is underlined, terminal or not.
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CARD = re.compile(r"GPU[0-9]{1,3}")
_PATH = re.compile(r"NV[0-9]{1,3}|PIX|PXB|PHB|NODE|SYS")


def links(text: str, addresses: dict[int, str]) -> tuple[Link, ...]:
    """Each pair once, by the addresses of the tool's indices.

    A pair counts where both of its cells say the same: of a cut matrix, what is half a cell is in no other.
    """
    cells = _cells(text)
    found = []
    for (one, here), (other, there) in combinations(sorted(addresses.items(), key=lambda a: a[1]), 2):
        path = cells.get((f"GPU{one}", f"GPU{other}"), "")
        if _PATH.fullmatch(path) and path == cells.get((f"GPU{other}", f"GPU{one}")):
            found.append(Link(cards=(here, there), kind="nvlink" if path.startswith("NV") else "pcie", path=path))
    return tuple(found)


def _cells(text: str) -> dict[tuple[str, str], str]:
    """The cells of cards by row and column. Columns of network cards, processors and memory come behind them."""
    found: dict[tuple[str, str], str] = {}
    columns: list[str] = []
    for line in _ESCAPE.sub("", text).splitlines():
        words = line.split()
        cards = list(takewhile(_CARD.fullmatch, words))
        if len(cards) > 1:
            columns = cards
        elif cards and columns:
            found |= {(cards[0], column): cell for column, cell in zip(columns, words[1:], strict=False)}
    return found
