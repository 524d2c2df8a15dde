"""The numbers of a model, as its own files tell them: ``config.json``, or the head of a GGUF file.

What is not known is counted as the most that it can be, or the model has no architecture here: then its declaration
must have one before memory is planned with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ..schema import Architecture, Shape

# Where the language half of a model that sees or hears has its numbers.
INNER = ("text_config", "llm_config", "language_config")
# By family, every how many layers one looks back without a window (llama.cpp, src/llama-model.cpp). Windows of other
# families are not kept by every engine: their layers count in full.
PATTERN = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "cohere2": 4}
FULL = ("full_attention", "attention", "chunked_attention")
WINDOWED = "sliding_attention"
# Of such a layer nothing is kept that grows with the context.
STATE = ("linear_attention", "mamba", "conv", "recurrent")


def of_config(config: Mapping[str, Any]) -> Architecture | None:
    """The architecture in a ``config.json`` of transformers; None: it is not told there."""
    told = next((config[key] for key in INNER if isinstance(config.get(key), Mapping)), config)
    if config.get("is_encoder_decoder"):
        return None
    numbers = _numbers(told)
    kinds = told.get("layer_types") or told.get("layers_block_type")
    if isinstance(kinds, list):
        if not set(map(str, kinds)) <= {*FULL, WINDOWED, *STATE}:
            return None
        near = kinds.count(WINDOWED)
        full = len(kinds) - near - sum(kind in STATE for kind in kinds)
        numbers |= {"layers": full + near, "full_layers": full if near else None}
    else:
        numbers["full_layers"] = _full(str(told.get("model_type")), told.get("sliding_window_pattern"), numbers)
    return _architecture(numbers)


def _numbers(told: Mapping[str, Any]) -> dict[str, Any]:
    """What transformers' families call the same number, under our names."""
    heads = _first(told, "num_attention_heads", "n_head", "n_heads")
    width = _first(told, "hidden_size", "n_embd", "d_model")
    numbers = {
        "layers": _first(told, "num_hidden_layers", "n_layer", "n_layers"),
        "kv_heads": _first(told, "num_key_value_heads", "num_kv_heads", "multi_query_group_num") or heads,
        "head_dim": _first(told, "head_dim", "kv_channels") or _part(width, heads),
        "context": _first(told, "max_position_embeddings", "n_positions", "seq_length", "max_seq_len"),
        "window": _first(told, "sliding_window"),
    }
    if (rank := _first(told, "kv_lora_rank")) and (rope := _first(told, "qk_rope_head_dim")):
        numbers |= {"latent": rank + rope, "kv_heads": 1, "head_dim": rank + rope}
    used = _first(told, "num_experts_per_tok", "num_experts_per_token") or 0
    dense, expert = _first(told, "intermediate_size", "n_inner"), _first(told, "moe_intermediate_size")
    vocabulary = _first(told, "vocab_size")
    return {**numbers, "shape": _shape(width, heads, _forward(dense, expert, used), vocabulary, used)}


def of_gguf(told: Mapping[str, Any]) -> Architecture | None:
    """The architecture in the pairs of a GGUF file, as ``gguf.pairs`` reads them; None: it is not told there."""
    family = str(told.get("general.architecture"))
    own = {key.removeprefix(f"{family}."): value for key, value in told.items() if key.startswith(f"{family}.")}
    heads, width = _most(own.get("attention.head_count")), _first(own, "embedding_length")
    layers, kv_heads = _first(own, "block_count"), own.get("attention.head_count_kv")
    keys = _first(own, "attention.key_length") or _part(width, heads)
    values = _first(own, "attention.value_length")
    used = _first(own, "expert_used_count") or 0
    dense, expert = _most(own.get("feed_forward_length")), _first(own, "expert_feed_forward_length")
    vocabulary = _first(own, "vocab_size") or _first(told, "tokenizer.ggml.tokens")
    numbers = {
        # A layer without such heads keeps a state, which does not grow.
        "layers": sum(n > 0 for n in kv_heads) if isinstance(kv_heads, list) else layers,
        "kv_heads": _most(kv_heads) or heads,
        "head_dim": keys,
        "value_dim": values if values != keys else None,
        "context": _first(own, "context_length"),
        "window": _first(own, "attention.sliding_window"),
        "shape": _shape(width, heads, _forward(dense, expert, used), vocabulary, used),
    }
    if "attention.key_length_mla" in own:  # a file made after llama.cpp knew MLA
        numbers |= {"latent": keys, "kv_heads": 1, "value_dim": None}
    return _architecture({**numbers, "full_layers": _full(family, None, numbers)})


def _architecture(numbers: Mapping[str, Any]) -> Architecture | None:
    told = {key: value for key, value in numbers.items() if value is not None}
    if "full_layers" not in told or "window" not in told:
        told = {key: value for key, value in told.items() if key not in ("window", "full_layers")}
    try:
        return Architecture.model_validate(told)
    except ValidationError:
        return None


def _full(family: str, pattern: Any, numbers: Mapping[str, Any]) -> int | None:
    """How many layers have no window; None: all count as if they had none."""
    every = pattern if isinstance(pattern, int) else PATTERN.get(family.replace("_", "-").removesuffix("-text"))
    layers = numbers.get("layers")
    return layers // every if every and isinstance(layers, int) and numbers.get("window") else None


def _forward(dense: int | None, expert: int | None, used: int) -> int | None:
    """The widest feed-forward layer: llama.cpp computes the experts of a token beside each other."""
    if used and not expert:
        return dense and dense * used  # it is the expert's
    return max(dense or 0, (expert or 0) * used) or None


def _shape(width: Any, heads: Any, forward: Any, vocabulary: Any, experts: int) -> Shape | None:
    told = {"embedding": width, "heads": heads, "feed_forward": forward, "vocabulary": vocabulary, "experts": experts}
    try:
        return Shape.model_validate(told)
    except ValidationError:
        return None


def _first(told: Mapping[str, Any], *names: str) -> int | None:
    """The first of these that is a number; what else stands there is no number of a layer."""
    found = (told.get(name) for name in names)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), None)


def _most(told: Any) -> int | None:
    """Of a number for each layer the largest."""
    return _first({"of": max(told, default=None) if isinstance(told, list) else told}, "of")


def _part(whole: int | None, parts: int | None) -> int | None:
    return whole // parts if whole and parts else None
