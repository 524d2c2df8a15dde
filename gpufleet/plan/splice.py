"""Splice values into the text of a YAML file: what is not replaced stays to the byte.

A library that reads and writes the whole file would keep its data, and not its looks: see docs/decisions/0017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from yaml import CollectionNode, MappingNode, Node

Edit = tuple[int, int, str]  # from, to, what comes there


class _Dumper(yaml.SafeDumper):
    """Every value by itself, without anchors; text of several lines on one."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\n" in text else None)


_Dumper.add_representer(str, _text)


def spliced(text: str, root: MappingNode, have: Mapping[Any, Any], new: Mapping[Any, Any]) -> str:
    """``text`` of ``root``, which says ``have``, with what ``new`` says instead of it.

    Values that are the same object in both are left alone.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    done, at = "", 0
    # Of two at one place the inner mapping's comes first, here as in _edits.
    for start, stop, value in sorted(_edits(text, root, have, new), key=lambda edit: edit[0]):
        done, at = done + text[at:start] + value.replace("\n", end), stop
    return done + text[at:]


def _edits(text: str, node: MappingNode, have: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[Edit]:
    keys = yaml.SafeLoader("")
    pairs = {keys.construct_object(k, deep=True): (k, v) for k, v in node.value if not k.tag.endswith(":merge")}
    for key in (key for key in new if key in pairs and new[key] is not have[key]):
        value = pairs[key][1]
        if isinstance(value, MappingNode) and value.value and isinstance(new[key], Mapping):
            yield from _edits(text, value, have[key], new[key])
        else:
            yield _replaced(text, node, *pairs[key], new[key])
    fresh = {key: value for key, value in new.items() if key not in pairs and key not in have}
    fresh |= {key: new[key] for key in have if key not in pairs and new[key] is not have[key]}  # it came by `<<`
    if fresh:
        yield _added(text, node, fresh)


def _replaced(text: str, parent: MappingNode, key: Node, value: Node, new: Any) -> Edit:
    """The value of ``key``, in its place; a list or mapping in the place of something else below its key."""
    start, stop = value.start_mark.index, _end(text, value)
    block = isinstance(value, CollectionNode) and not value.flow_style
    if parent.flow_style or not isinstance(new, Mapping | list) or not new:
        # A list may begin in its key's column, where nothing else can be.
        gap = "  " if block else " " if start == value.end_mark.index else ""
        return start, stop, gap + _inline(new)
    if block:
        return start, stop, _block(new, value.start_mark.column)
    column = key.start_mark.column + 2
    return len(text[:start].rstrip(" ")), stop, f"\n{' ' * column}{_block(new, column)}"


def _added(text: str, node: MappingNode, fresh: Mapping[Any, Any]) -> Edit:
    """New keys after the last one, before the comments that follow it."""
    end = _end(text, node)
    if node.flow_style:
        inner = _inline(fresh)[1:-1]
        at, gap = (_end(text, node.value[-1][1]), ", ") if node.value else (end - 1, "")
        return at, at, gap + inner
    line = text.find("\n", end)
    at = len(text[: line if line >= 0 else len(text)].rstrip("\r"))
    column = node.value[0][0].start_mark.column
    return at, at, f"\n{' ' * column}{_block(fresh, column)}"


def _end(text: str, node: Node) -> int:
    """Where a node ends: a block's own mark is behind the comments that follow it."""
    if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
        return len(text[: node.end_mark.index].rstrip())
    last = node.value[-1]
    if not isinstance(node, MappingNode):
        return _end(text, last)
    # An alias is where its anchor is, elsewhere; it stands on the line of its key.
    return max(_end(text, last[1]), int(last[0].end_mark.index))


def _inline(value: Any) -> str:
    return _dumped(value, flow=True).removesuffix("\n...").strip()


def _block(value: Any, column: int) -> str:
    """The lines of a list or mapping, the first without indentation: it is there."""
    return _dumped(value, flow=False).replace("\n", "\n" + " " * column)


def _dumped(value: Any, flow: bool) -> str:
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=2**31
    )
    return text.rstrip("\n")
