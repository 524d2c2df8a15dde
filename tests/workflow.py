"""A workflow in the format of ComfyUI's API: {id: {"class_type", "inputs"}}, checked as ComfyUI does."""

from __future__ import annotations

from typing import Any

from tests.conftest import cases

NODES = cases("comfyui")
VALUES: dict[str, tuple[type, ...]] = {"INT": (int,), "FLOAT": (int, float), "STRING": (str,)}


def problems(graph: dict[str, Any]) -> list[str]:
    """What is wrong with a workflow, an input each."""
    wrong = [] if any(not NODES[n["class_type"]]["outputs"] for n in graph.values()) else ["nothing is kept of it"]
    for name, node in graph.items():
        wanted, given = NODES[node["class_type"]]["inputs"], node["inputs"]
        wrong += [f"{name}: {key}" for key in wanted.keys() ^ given.keys()]
        both = wanted.keys() & given.keys()
        wrong += [f"{name}/{key}: {given[key]}" for key in both if not _fits(graph, wanted[key], given[key])]
    return wrong


def _fits(graph: dict[str, Any], kind: str | list[str], value: Any) -> bool:
    if isinstance(kind, list):
        return value in kind
    if kind in VALUES:
        return isinstance(value, VALUES[kind])
    if not (isinstance(value, list) and value[0] in graph):
        return False
    given = NODES[graph[value[0]]["class_type"]]["outputs"]
    return value[1] < len(given) and bool(given[value[1]] == kind)
