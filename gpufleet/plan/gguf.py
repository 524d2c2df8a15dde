"""The head of a GGUF file, as far as it is needed (github.com/ggml-org/ggml, docs/gguf.md)."""

from __future__ import annotations

import struct
from typing import Any

# By type its format; 8 is text, 9 an array.
NUMBERS = dict(enumerate("BbHhIif?", 0)) | {10: "Q", 11: "q", 12: "d"}
TEXT, ARRAY = 8, 9
# Of a longer array its length alone is kept: it is the vocabulary.
LONGEST = 1024
# Behind this there is nothing but tokens.
LAST = "tokenizer.ggml.tokens"


class _Cut(Exception):
    """The bytes end here."""


def pairs(data: bytes) -> dict[str, Any]:
    """Keys and values in the first bytes of a file, up to the tokens; of a long array its length. {}: it is no GGUF.

    What is wrong in it ends the list: nothing is raised.
    """
    found: dict[str, Any] = {}
    at = _Reader(data)
    try:
        if at.take(4) != b"GGUF" or at.number("I") < 2:
            return found
        at.number("Q")  # tensors
        for _ in range(at.number("Q")):
            key = at.text()
            found[key] = at.value(at.number("I"))
            if key == LAST:
                break
    except (_Cut, KeyError):
        pass
    return found


class _Reader:
    """Bytes, and how far they were read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise _Cut
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, kind: str) -> Any:
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))[0]

    def text(self) -> str:
        return self.take(self.number("Q")).decode(errors="replace")

    def value(self, kind: int) -> Any:
        if kind == TEXT:
            return self.text()
        if kind != ARRAY:
            return self.number(NUMBERS[kind])
        inner, length = self.number("I"), self.number("Q")
        if length > LONGEST:
            return self._passed(inner, length)
        if inner == ARRAY:
            raise _Cut  # no file has such, and one may have too many of them
        return [self.value(inner) for _ in range(length)]

    def _passed(self, inner: int, length: int) -> int:
        """The length of an array that is passed over; where it is cut off, all behind it is."""
        if inner in NUMBERS:
            self.at = min(len(self.data), self.at + length * struct.calcsize(f"<{NUMBERS[inner]}"))
        else:
            self.at = len(self.data)
        return length
