"""A tiny but valid GGUF model that gives one fixed reply to anything: its weights are a Markov chain over tokens.

Each token's embedding is a unit vector, attention and feed-forward add nothing, and the output matrix maps every token
to the next one of the reply. Different files carry different replies, so that an answer tells which file was served.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

VERSION = 1  # raise it when the bytes change
LAYERS, WIDTH, HEADS, KV_HEADS, HIDDEN, CONTEXT = 2, 384, 4, 2, 128, 2048
SPACE = "\u2581"
TEMPLATE = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}assistant:"


def write(path: Path, reply: str) -> None:
    """Write a model that answers `` reply``, version 1."""
    words = [SPACE + word for word in reply.split()]
    tokens = _tokens(words)
    writer = gguf.GGUFWriter(str(path), "llama")
    _describe(writer)
    _vocabulary(writer, tokens)
    for name, tensor in _tensors(tokens, words).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tokens(words: list[str]) -> list[str]:
    """Three control tokens, all bytes, printable characters, the words of the reply."""
    plain = [SPACE, *(chr(c) for c in range(33, 127))]
    return ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *plain, *words]


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("lab")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _vocabulary(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    kinds = gguf.TokenType
    types = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256]
    types += [kinds.NORMAL] * (len(tokens) - len(types))
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([t.encode() for t in tokens])
    writer.add_token_scores([0.0] * 259 + [-float(i) for i in range(len(tokens) - 259)])
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)


def _tensors(tokens: list[str], words: list[str]) -> dict[str, np.ndarray]:
    chain = [tokens.index(w) for w in words] + [2]
    following = np.full(len(tokens), chain[0])
    following[chain[:-1]] = chain[1:]
    embedding = np.eye(len(tokens), WIDTH, dtype=np.float32)
    output = np.zeros((len(tokens), WIDTH), np.float32)
    output[following, np.arange(len(tokens))] = 1
    tensors = {
        "token_embd.weight": embedding,
        "output_norm.weight": np.ones(WIDTH, np.float32),
        "output.weight": output,
    }
    for layer in range(LAYERS):
        tensors |= {f"blk.{layer}.{name}.weight": t for name, t in _layer().items()}
    return tensors


def _layer() -> dict[str, np.ndarray]:
    """Weights that add nothing to what passes by."""
    narrow = KV_HEADS * WIDTH // HEADS
    shapes = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (narrow, WIDTH),
        "attn_v": (narrow, WIDTH),
        "attn_output": (WIDTH, WIDTH),
    }
    shapes |= {"ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH), "ffn_down": (WIDTH, HIDDEN)}
    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return {**zeros, "attn_norm": np.ones(WIDTH, np.float32), "ffn_norm": np.ones(WIDTH, np.float32)}
