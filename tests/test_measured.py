"""What gpufleet charges, against what programs said they took.

`python -m tests.test_measured` writes the table of docs/memory.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.plan.kv import BLOCK, CUDA_CONTEXT_MIB, llama_compute, llama_kv, ollama_kv, token_bytes, vllm_kv
from gpufleet.schema import Architecture, Shape, read
from tests.conftest import ROOT, cases

MIB = 1 << 20
PAGE = ROOT / "docs" / "memory.md"
MEASURED = cases("measured")
LLAMA: dict[str, dict[str, Any]] = MEASURED["llama"]
VLLM: dict[str, dict[str, Any]] = MEASURED["vllm"]
# In parts of what was measured. One number for all: a measurement outside of it is a finding, not an exception.
COMPUTE_OFF = 0.35
COMPUTE_OFF_USUALLY = 0.01
TOTAL_OFF = 0.05
# vLLM's pool is as large as its poorest card allows, and the log may be another card's.
POOL_OFF = 0.02
GIB_STEP = 10.24


@dataclass(frozen=True)
class Row:
    """One measurement, computed: MiB as measured and as computed, by what it is."""

    name: str
    program: str
    url: str
    parts: dict[str, tuple[float, float]]

    def off(self, part: str) -> float | None:
        """How far off, in parts of what was measured; over is positive."""
        if part not in self.parts:
            return None
        measured, computed = self.parts[part]
        return computed / measured - 1


def _llama(name: str) -> Row:
    case = LLAMA[name]
    model = read(Architecture, case["model"], name)
    context, slots, unified = case["context"], case.get("slots", 1), case.get("unified", False)
    batch, flash, outputs = case.get("batch", 512), case.get("flash", True), case.get("outputs", 1)
    keys, values = case.get("cache", ("f16", "f16"))
    kv = llama_kv(model, context, slots=slots, unified=unified, kinds=(keys, values), batch=batch) / MIB
    compute = llama_compute(model, context, slots=slots, unified=unified, flash=flash, batch=batch, outputs=outputs)
    parts = {"kv": (case["kv"], kv)}
    if "compute" in case:
        assert compute is not None
        parts["compute"] = (case["compute"], compute / MIB)
    if "total" in case:
        assert compute is not None
        parts["total"] = (case["total"], case["weights"] + kv + compute / MIB + CUDA_CONTEXT_MIB)
    return Row(name, case["version"], case["url"], parts)


def _vllm(name: str) -> Row:
    case = VLLM[name]
    kv = vllm_kv(read(Architecture, case["model"], name), case["tokens"], cards=case.get("cards", 1)) / MIB
    return Row(name, case["version"], case["url"], {"kv": (case["kv"], kv)})


ROWS = [*map(_llama, LLAMA), *map(_vllm, VLLM)]


@pytest.mark.parametrize("name", LLAMA)
def test_kv_cache_is_what_llama_cpp_printed(name: str) -> None:
    measured, computed = _llama(name).parts["kv"]
    assert abs(computed - measured) < LLAMA[name].get("step", 0.01)


@pytest.mark.parametrize("name", VLLM)
def test_kv_cache_is_what_vllm_printed(name: str) -> None:
    measured, computed = _vllm(name).parts["kv"]
    assert computed - measured < GIB_STEP
    assert measured - computed < (POOL_OFF * measured if "cards" in VLLM[name] else GIB_STEP)


@pytest.mark.parametrize(("part", "most"), [("compute", COMPUTE_OFF), ("total", TOTAL_OFF)])
def test_estimates_are_near_what_was_measured(part: str, most: float) -> None:
    offs = {row.name: off for row in ROWS if (off := row.off(part)) is not None}
    worst = max(offs, key=lambda name: abs(offs[name]))
    print(f"{part}: {len(offs)} measured, worst {offs[worst]:+.1%}: {worst}")
    assert abs(offs[worst]) <= most


def test_the_usual_compute_buffer_is_met() -> None:
    assert median(abs(off) for row in ROWS if (off := row.off("compute")) is not None) <= COMPUTE_OFF_USUALLY


def test_enough_was_measured() -> None:
    assert len(ROWS) >= 20
    assert len({row.url for row in ROWS}) >= 20
    assert all(row.url.startswith("https://") for row in ROWS)


SHAPES = st.builds(
    Shape,
    embedding=st.integers(64, 20_000),
    heads=st.integers(1, 256),
    feed_forward=st.integers(64, 60_000),
    vocabulary=st.integers(100, 300_000),
    experts=st.integers(0, 16),
)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Any architecture: with windows or none, with a latent or none."""
    layers = draw(st.integers(1, 200))
    windowed = draw(st.booleans())
    return Architecture(
        layers=layers,
        kv_heads=draw(st.integers(1, 128)),
        head_dim=draw(st.sampled_from([64, 80, 96, 128, 256])),
        value_dim=draw(st.sampled_from([None, 128])),
        latent=draw(st.sampled_from([None, 576])),
        context=10**7,
        window=draw(st.integers(1, 10_000)) if windowed else None,
        full_layers=draw(st.integers(0, layers)) if windowed else None,
        shape=draw(SHAPES),
    )


TOKENS, SLOTS = st.integers(0, 300_000), st.integers(1, 64)


@given(a=architectures(), tokens=TOKENS, more=TOKENS, slots=SLOTS, unified=st.booleans(), flash=st.booleans())
def test_more_tokens_never_take_less(
    a: Architecture, tokens: int, more: int, slots: int, unified: bool, flash: bool
) -> None:
    first, second = (llama_kv(a, t, slots=slots, unified=unified) for t in (tokens, tokens + more))
    assert first <= second
    assert ollama_kv(a, tokens, parallel=slots) <= ollama_kv(a, tokens + more, parallel=slots)
    assert vllm_kv(a, tokens) <= vllm_kv(a, tokens + more)
    now, then = (llama_compute(a, t, slots=slots, unified=unified, flash=flash) for t in (tokens, tokens + more))
    assert (now is None and then is None) if a.latent else (now or 0) <= (then or 0)


@given(a=architectures(), tokens=TOKENS, slots=SLOTS)
def test_more_slots_never_take_less(a: Architecture, tokens: int, slots: int) -> None:
    assert llama_kv(a, tokens, slots=slots) >= llama_kv(a, tokens)
    assert llama_kv(a, tokens, slots=slots + 1, unified=True) >= llama_kv(a, tokens, slots=slots, unified=True)
    assert ollama_kv(a, tokens, parallel=slots + 1) >= ollama_kv(a, tokens, parallel=slots)


@given(a=architectures(), tokens=TOKENS, slots=SLOTS)
def test_more_layers_never_take_less(a: Architecture, tokens: int, slots: int) -> None:
    deeper = a.model_copy(update={"layers": a.layers + 1})
    assert llama_kv(a, tokens, slots=slots) <= llama_kv(deeper, tokens, slots=slots)
    assert vllm_kv(a, tokens) <= vllm_kv(deeper, tokens)


@given(a=architectures(), tokens=TOKENS, kind=st.sampled_from(sorted(BLOCK)), cards=st.integers(1, 16))
def test_no_kind_takes_more_than_f16_and_no_card_more_than_all(
    a: Architecture, tokens: int, kind: str, cards: int
) -> None:
    assert token_bytes(a, (kind, kind)) <= token_bytes(a)
    assert llama_kv(a, tokens, kinds=(kind, kind)) <= llama_kv(a, tokens)
    assert vllm_kv(a, tokens, kind=kind, cards=cards) <= vllm_kv(a, tokens)


@given(a=architectures(), tokens=TOKENS, slots=SLOTS, unified=st.booleans())
def test_a_window_never_takes_more_than_the_whole(a: Architecture, tokens: int, slots: int, unified: bool) -> None:
    whole = a.model_copy(update={"window": None, "full_layers": None})
    assert llama_kv(a, tokens, slots=slots, unified=unified) <= llama_kv(whole, tokens, slots=slots, unified=unified)


def table() -> str:
    """The table of docs/memory.md."""
    head = [
        "| measured | program | KV, MiB | KV off | compute off | card off |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join(head + [_line(row) for row in ROWS]) + "\n"


def _line(row: Row) -> str:
    offs = " | ".join(_shown(row.off(part)) for part in ("kv", "compute", "total"))
    return f"| [{row.name}]({row.url}) | {row.program} | {row.parts['kv'][0]:g} | {offs} |"


def _shown(off: float | None) -> str:
    if off is None:
        return ""
    return "0" if abs(off) < 0.0005 else f"{off:+.1%}"


def test_the_page_has_the_table() -> None:
    assert PAGE.read_text().endswith("\n\n" + table())


if __name__ == "__main__":
    text = PAGE.read_text()
    PAGE.write_text(text[: text.index("| measured |")] + table())
