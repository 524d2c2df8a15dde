"""A tiny but valid projector (GGUF of the kind `clip`): with it llama.cpp's server takes pictures, and sees nothing."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from .gguf import WIDTH

VERSION = 1  # raise it when the bytes change
SIZE, PATCH, SEES, BLOCKS = 28, 14, 32, 2


def write(path: Path) -> None:
    """Write a projector for the models of gguf.py."""
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("mlp")
    writer.add_vision_use_gelu(True)
    writer.add_vision_image_size(SIZE)
    writer.add_vision_patch_size(PATCH)
    writer.add_vision_embedding_length(SEES)
    writer.add_vision_feed_forward_length(SEES)
    writer.add_vision_block_count(BLOCKS)
    writer.add_vision_head_count(1)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_projection_dim(WIDTH)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    for name, shape in _shapes().items():
        writer.add_tensor(name, np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _shapes() -> dict[str, tuple[int, ...]]:
    """Of each tensor."""
    shapes: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (SEES, 3, PATCH, PATCH),
        "v.position_embd.weight": ((SIZE // PATCH) ** 2, SEES),
        "mm.0.weight": (WIDTH, SEES),
        "mm.0.bias": (WIDTH,),
        "mm.2.weight": (WIDTH, WIDTH),
        "mm.2.bias": (WIDTH,),
    }
    for block in range(BLOCKS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_out", "ffn_up", "ffn_down"):
            shapes[f"v.blk.{block}.{part}.weight"] = (SEES, SEES)
        for part in ("attn_q", "attn_k", "attn_v", "attn_out", "ffn_up", "ffn_down", "ln1", "ln2"):
            shapes[f"v.blk.{block}.{part}.bias"] = (SEES,)
        for part in ("ln1", "ln2"):
            shapes[f"v.blk.{block}.{part}.weight"] = (SEES,)
    return shapes
