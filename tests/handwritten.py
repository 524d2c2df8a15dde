"""YAML as people write it: comments, quotes, indents and line ends of every kind."""

from __future__ import annotations

from hypothesis import strategies as st

KEYS = ("a", "b", "c", "d")


class Writer:
    """YAML as people write it, each comment another one; those within a list say so."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.comments = draw, iter(range(1000))

    def note(self, word: str = "note") -> str:
        ends = ["", f" # {word} {next(self.comments)}", f"   # {word} {next(self.comments)}"]
        return self.draw(st.sampled_from(ends))

    def scalar(self) -> str:
        values = ["1", "true", "plain", "'it''s'", '"q # q"', "~", "off", "a: b"[:1], "2001-01-01"]
        return self.draw(st.sampled_from(values))

    def mapping(self, column: int, depth: int) -> list[str]:
        lines: list[str] = []
        step, pad = self.draw(st.integers(1, 4)), " " * column
        for key in self.draw(
            st.lists(st.sampled_from((*KEYS, "k", '"l m"', "off")), min_size=1, max_size=4, unique=True)
        ):
            above = [[], [""], [f"{pad}# note {next(self.comments)}"], ["", f"# note {next(self.comments)}"]]
            lines += self.draw(st.sampled_from(above))
            kinds = ["scalar", "scalar", "none", "literal", "folded", "list", "flow", "flowmap", "empty"]
            kind = self.draw(st.sampled_from(kinds + ["mapping"] * 3 * (depth > 0)))
            if kind == "mapping":
                lines += [f"{pad}{key}:{self.note()}", *self.mapping(column + step, depth - 1)]
            else:
                lines += self.value(kind, f"{pad}{key}:", pad, step)
        return lines

    def value(self, kind: str, key: str, pad: str, step: int) -> list[str]:
        """A key with a value that is no mapping of its own."""
        inner = f"{pad}{' ' * step}"
        match kind:
            case "scalar":
                return [f"{key}{' ' * self.draw(st.integers(1, 3))}{self.scalar()}{self.note()}"]
            case "none":
                return [f"{key}{self.note()}"]
            case "literal":
                return [f"{key} |", f"{inner}text # no comment", f"{inner}  more"]
            case "folded":
                return [f"{key} some", f"{inner}more text{self.note()}"]
            case "list":
                inner = self.draw(st.sampled_from([pad, inner]))
                items = range(self.draw(st.integers(1, 3)))
                return [f"{key}{self.note()}", *(f"{inner}- {self.scalar()}{self.note('item')}" for _ in items)]
            case "flow":
                return [f"{key} [{self.scalar()},{self.scalar()}]{self.note()}"]
            case "flowmap":
                return [f"{key} {{ a: {self.scalar()}, k: [x] }}{self.note()}"]
            case _:
                return [f"{key} {self.draw(st.sampled_from(['{}', '[]']))}{self.note()}"]


@st.composite
def texts(draw: st.DrawFn) -> str:
    end, head = draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from([[], ["---"], ["# head"]]))
    tail = draw(st.sampled_from([[""], ["# tail"], ["# tail", ""]]))
    return end.join([*head, *Writer(draw).mapping(0, 2), *tail])
