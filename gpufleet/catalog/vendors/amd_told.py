"""What AMD's sources say, in one shape: a Told for each card; and the readers of single values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .pci import normal


@dataclass(frozen=True)
class Told:
    """What a source says of one card, or of one partition of a card; None: it does not say. Memory in MiB.

    ``address`` is as in /sys, or without its domain where the source has none; ``node`` the KFD's number.
    ``bound``: a driver holds it; ``own_memory``: /sys names the maker of its memory or its board, which it does for
    cards only; ``product`` is its maker's name for it, ``name`` another's; ``version`` the driver's; ``answered``: the
    tool that spoke with it.
    """

    index: int | None = None
    address: str | None = None
    node: int | None = None
    uuid: str | None = None
    pci_id: str | None = None
    gfx: str | None = None
    product: str | None = None
    name: str | None = None
    total: int | None = None
    free: int | None = None
    gtt: int | None = None
    own_memory: bool | None = None
    card_node: str | None = None
    render_node: str | None = None
    numa: int | None = None
    driver: str | None = None
    bound: bool | None = None
    version: str | None = None
    answered: str | None = None

    @property
    def place(self) -> str | None:
        """The address without its domain."""
        return self.address[-7:] if self.address else None


# What two sources may share, the surest first, and what must then not speak against it. A container numbers KFD's nodes
# anew, and partitions share an identifier; an index means little, as each tool counts in its own order.
_ALL = ("address", "node", "uuid", "driver", "pci_id", "gfx")
_KEYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("address", ()),
    ("node", ("address", "uuid")),
    ("place", ("address",)),
    ("uuid", ("address",)),
    ("index", _ALL),
)


def gather(known: list[Told], more: Sequence[Told]) -> list[Told]:
    """``known`` with what one more source says; a card that is not among them is one more.

    A source names a card once, so each of ``known`` takes one of ``more``. What is said first stays. Those that share
    no key are the cards that are left, where as many are; which of several cards one is meant nobody knows.
    """
    found, left, rest = list(known), dict(enumerate(known)), list(more)
    for key, against in _KEYS:
        rest = _joined(found, left, rest, key, against) if left and rest else rest
    rest.sort(key=lambda told: told.address is None)
    for n, told in enumerate(rest):
        open_ = [place for place, other in left.items() if _agree(other, told, _ALL)]
        if not open_:
            found.append(told)
        elif len(open_) <= len(rest) - n:
            found[open_[0]] = merged(left.pop(open_[0]), told)
    return found


def _joined(
    found: list[Told], left: dict[int, Told], more: list[Told], key: str, against: tuple[str, ...]
) -> list[Told]:
    """Put those of ``more`` that share ``key`` with one that is ``left`` into ``found``; returns the others."""
    places: dict[Any, list[int]] = {}
    for n, told in left.items():
        places.setdefault(getattr(told, key), []).append(n)
    rest = []
    for told in more:
        value = getattr(told, key)
        here = places.get(value, ()) if value is not None else ()
        place = next((n for n in here if n in left and _agree(left[n], told, against)), None)
        if place is None:
            rest.append(told)
        else:
            found[place] = merged(left.pop(place), told)
    return rest


def _agree(one: Told, other: Told, keys: tuple[str, ...]) -> bool:
    """Whether nothing under ``keys`` differs; an address without a domain agrees with one of any domain."""
    for key in keys:
        a, b = getattr(one, key), getattr(other, key)
        alike = a == b or a is None or b is None or (key == "address" and (a.endswith(b) or b.endswith(a)))
        if not alike:
            return False
    return True


def merged(one: Told, other: Told) -> Told:
    """Both as one card; an address with its domain, and a name that is not cut, say more."""
    values = {key: b if a is None else a for (key, a), b in zip(vars(one).items(), vars(other).values(), strict=True)}
    if one.address and other.address and len(other.address) > len(one.address):
        values["address"] = other.address
    if other.name and (one.name or "").startswith("..."):
        values["name"] = other.name
    return Told(**values)


def uuid(text: Any) -> str | None:
    """``GPU-`` and 16 hex digits; None for what is no identifier. Only what has 0x before it may lack leading zeros.

    >>> uuid("0x4edfb117a17a07d"), uuid("GPU-XX"), uuid("0xffffffffffffffff"), uuid("N/A")
    ('GPU-04edfb117a17a07d', None, None, None)
    >>> uuid("79ff738c-0000-1000-80cc-d55167a2124a"), uuid("00ff1900-0000-1000-8000-000000000000")  # amd-smi's own
    ('GPU-79ccd55167a2124a', None)
    """
    plain = str(text).strip().lower()
    whole = _OWN_UUID.fullmatch(plain)
    found = re.fullmatch(r"0x([0-9a-f]{1,16})|(?:gpu-)?([0-9a-f]{16})", plain)
    digits = "".join(whole[n] for n in (1, 3, 4)) if whole else (found[1] or found[2]).zfill(16) if found else ""
    return f"GPU-{digits}" if digits.strip("0") and digits.strip("f") else None


# amd-smi writes the identifier's first byte, the partition, the chip, and then the other bytes into a UUID's fields.
_OWN_UUID = re.compile("([0-9a-f]{2})[0-9a-f]{2}([0-9a-f]{4})-0000-1000-80([0-9a-f]{2})-([0-9a-f]{12})")


def uuid_chip(text: Any) -> str | None:
    """The PCI id inside amd-smi's own UUID."""
    whole = _OWN_UUID.fullmatch(str(text).strip().lower())
    return f"1002:{whole[2]}" if whole else None


def number(text: Any) -> int | None:
    """A whole number in a tool's text; None for anything else."""
    plain = str(text).strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) <= 20 else None


def mib(text: Any) -> int | None:
    """MiB from bytes."""
    size = number(text)
    return size >> 20 if size else None


def name(text: Any) -> str | None:
    """A product's name; None for the numbers that old tools print in its place."""
    plain = text.strip() if isinstance(text, str) else ""
    return plain if plain and plain != "N/A" and not re.fullmatch("0x[0-9a-fA-F]+", plain) else None


def address(text: Any) -> str | None:
    """An address inside a text, as /sys writes it."""
    found = re.search(r"\b(?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]\b", str(text))
    return normal(found.group()) if found else None


def place(number_: int) -> str:
    """A PCI location, bus << 8 | device << 3 | function, as an address without a domain.

    >>> place(50688)
    'c6:00.0'
    """
    return f"{number_ >> 8 & 255:02x}:{number_ >> 3 & 31:02x}.{number_ & 7}"


def chip(text: Any) -> str | None:
    """A PCI id from a chip's number; some releases print the vendor's in its place."""
    found = re.fullmatch("0x([0-9a-fA-F]{4})", str(text).strip())
    return f"1002:{found[1].lower()}" if found and found[1] != "1002" else None


def gfx(text: Any) -> str | None:
    """A compute target; rocm-smi prints the last digit of some as two decimal ones.

    >>> gfx("gfx942"), gfx("gfx906:sramecc+"), gfx("gfx9010"), gfx("N/A")
    ('gfx942', 'gfx906', 'gfx90a', None)
    """
    plain = str(text).strip()
    if decimal := re.fullmatch("gfx9([0-9])(1[0-5])", plain):
        return f"gfx9{decimal[1]}{int(decimal[2]):x}"
    found = re.match("gfx(?:9[0-9a-f]{2}|[0-9]{2}[0-9a-f]{2}|[6-8][0-9a-f]{2})(?![0-9a-f])", plain)
    return found.group() if found else None
