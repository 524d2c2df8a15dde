"""Memory that a language model takes beside its weights: KV cache and compute buffer, in bytes.

Every rule here is held against published logs: tests/cases/measured.yaml, shown in docs/memory.md.
"""

from __future__ import annotations

from ..schema import Architecture, Shape

# Bytes of 32 values: ggml's block. q8_0 and q4_0 carry a 16-bit scale beside the values.
BLOCK = {"f16": 64, "bf16": 64, "fp8": 32, "q8_0": 34, "q4_0": 18}
# llama.cpp pads every cache to this many tokens (github.com/ggml-org/llama.cpp/pull/17046; older builds: to 32 without
# flash attention).
PAD = 256
# vLLM hands its pool out in blocks of this many tokens.
PAGE = 16
# What CUDA takes on a card for a process: 252 to 255 measured, and up to 500 more after images or many slots at once.
CUDA_CONTEXT_MIB = 256
F16 = ("f16", "f16")


def token_bytes(architecture: Architecture, kinds: tuple[str, str] = F16) -> int:
    """Bytes that one layer keeps of one token, with K and V of these kinds.

    >>> a = Architecture(layers=32, kv_heads=8, head_dim=128, context=8192)
    >>> token_bytes(a), token_bytes(a, ("q8_0", "q8_0")), token_bytes(a, ("q4_0", "q4_0"))
    (4096, 2176, 1152)
    """
    if architecture.latent is not None:
        # The values are a part of the latent: nothing is kept for V (llama.cpp since January 2026, vLLM, ik_llama.cpp).
        return _row(architecture.latent, kinds[0])
    keys = architecture.kv_heads * architecture.head_dim
    values = architecture.kv_heads * (architecture.value_dim or architecture.head_dim)
    return _row(keys, kinds[0]) + _row(values, kinds[1])


def llama_kv(
    architecture: Architecture,
    tokens: int,
    *,
    slots: int = 1,
    unified: bool = False,
    kinds: tuple[str, str] = F16,
    batch: int = 512,
) -> int:
    """Bytes of llama.cpp's KV cache for ``--ctx-size tokens --parallel slots --ubatch-size batch``.

    The slots share the tokens: with ``--parallel`` each has its part of them, with ``--kv-unified`` all have one cache.
    A windowed layer keeps its window and one batch, for each slot (src/llama-kv-cache-iswa.cpp); the windows of
    a unified cache lie together.

    >>> gpt_oss_20b = Architecture(layers=24, kv_heads=8, head_dim=64, context=131072, window=128, full_layers=12)
    >>> [llama_kv(gpt_oss_20b, 131072, slots=4, unified=unified) // 2**20 for unified in (True, False)]
    [3096, 3144]
    """
    a = architecture
    streams = 1 if unified else slots
    full = _cells(tokens, streams)
    windows = (a.window or 0) * (slots if unified else 1)
    near = _padded(min(full, windows + batch), PAD)
    full_layers = a.layers if a.full_layers is None else a.full_layers
    cells = full_layers * full + (a.layers - full_layers) * near
    return streams * cells * token_bytes(a, kinds)


def llama_tokens(tokens: int, slots: int) -> int:
    """Tokens that its slots have room for together.

    >>> llama_tokens(8192, 3)
    8448
    """
    return slots * _cells(tokens, slots)


def ollama_kv(
    architecture: Architecture, context: int, *, parallel: int = 1, kinds: tuple[str, str] = F16, batch: int = 512
) -> int:
    """Bytes of Ollama's KV cache: OLLAMA_NUM_PARALLEL requests have OLLAMA_CONTEXT_LENGTH tokens each.

    Ollama starts llama.cpp with the product (github.com/ollama/ollama/issues/9246, /9362).
    """
    return llama_kv(architecture, context * parallel, slots=parallel, kinds=kinds, batch=batch)


def vllm_kv(architecture: Architecture, tokens: int, *, kind: str = "bf16", cards: int = 1) -> int:
    """Bytes on each card of vLLM's pool for ``tokens`` of all requests together, with ``--tensor-parallel-size cards``.

    Heads are dealt out to the cards, and a latent is on every card. vLLM counts a token in windowed layers as in full
    ones when it says how many fit.
    """
    share = architecture.model_copy(update={"kv_heads": max(1, architecture.kv_heads // cards)})
    return vllm_tokens(tokens) * share.layers * token_bytes(share, (kind, kind))


def vllm_tokens(tokens: int) -> int:
    """Tokens that the blocks of its pool have room for."""
    return _padded(tokens, PAGE)


def llama_compute(
    architecture: Architecture,
    tokens: int,
    *,
    slots: int = 1,
    unified: bool = False,
    flash: bool = True,
    batch: int = 512,
    outputs: int = 1,
) -> int | None:
    """About what llama.cpp's compute buffer takes on a card, in bytes; None where no rule is known.

    It is the largest of three moments: the logits, a feed-forward layer, and, without flash attention, the scores of
    every head against every token. ``outputs`` is for how many tokens of a batch there are logits: for the slots of a
    server since June 2026 (github.com/ggml-org/llama.cpp/pull/23861), for all of the batch before, for none on a card
    without the last layer.
    """
    shape = architecture.shape
    if shape is None or architecture.latent is not None:
        return None
    cells = _cells(tokens, 1 if unified else slots)
    logits = 4 * (outputs * shape.vocabulary + batch * shape.embedding)
    scores = 0 if flash else 4 * batch * _scores(shape, architecture.head_dim, cells)
    return max(logits, scores, 4 * batch * _feed_forward(shape) + 2 * batch * cells)


def _scores(shape: Shape, head_dim: int, cells: int) -> int:
    """Values of a token while attention is computed: scores of all heads, their mask, queries and results."""
    return (shape.heads + 1) * cells + 2 * shape.embedding + 2 * shape.heads * head_dim


def _feed_forward(shape: Shape) -> int:
    """Values of a token while a feed-forward layer is computed: up, gate, their product, and each expert's answer."""
    return 3 * shape.feed_forward + (4 + shape.experts) * shape.embedding


def _cells(tokens: int, streams: int) -> int:
    """Tokens that each stream has room for."""
    return _padded(_padded(tokens, PAD) // streams, PAD)


def _padded(count: int, to: int) -> int:
    return -(-count // to) * to


def _row(values: int, kind: str) -> int:
    return -(-values * BLOCK[kind] // 32)
