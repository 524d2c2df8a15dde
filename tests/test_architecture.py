"""The numbers of a model from its own files, and which of them it is made of."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf as written
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpufleet.errors import Refused
from gpufleet.plan import gguf
from gpufleet.plan.architecture import of_config, of_gguf
from gpufleet.plan.selection import selected
from gpufleet.schema import Architecture, Model, Shape
from tests.conftest import cases
from tests.lab import gguf as lab


@pytest.mark.parametrize("case", cases("architectures").values(), ids=cases("architectures").keys())
def test_a_config_tells_the_numbers(case: dict[str, Any]) -> None:
    told = of_config(case["config"])
    assert (told and told.model_dump(exclude_defaults=True)) == case["architecture"]


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v, max_size=2))
WORDS = ["num_hidden_layers", "num_attention_heads", "hidden_size", "layer_types", "sliding_window", "kv_lora_rank"]


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from([*WORDS, "text_config", "intermediate_size", "num_experts_per_tok"]), VALUES))
def test_no_config_is_an_exception(config: dict[str, Any]) -> None:
    of_config(config)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The head of a real file."""
    at = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    lab.write(at, "pong")
    return at.read_bytes()[: 1 << 15]


def test_a_gguf_tells_the_numbers(tiny: bytes) -> None:
    tokens = 3 + 256 + 95 + 1
    shape = Shape(embedding=384, heads=4, feed_forward=128, vocabulary=tokens)
    assert of_gguf(gguf.pairs(tiny)) == Architecture(layers=2, kv_heads=2, head_dim=96, context=2048, shape=shape)


@settings(max_examples=60)
@given(st.data())
def test_a_gguf_cut_anywhere_is_read_as_far_as_it_goes(tiny: bytes, data: st.DataObject) -> None:
    whole, end = gguf.pairs(tiny), data.draw(st.integers(0, len(tiny)))
    assert gguf.pairs(tiny[:end]).items() <= whole.items()
    at = data.draw(st.integers(0, 4000))
    of_gguf(gguf.pairs(tiny[:at] + data.draw(st.binary(min_size=1, max_size=9)) + tiny[at + 9 :]))  # raises nothing


def test_arrays_in_arrays_without_end_are_left_alone() -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + struct.pack("<I", 9)
    assert gguf.pairs(head + struct.pack("<IQ", 9, 1) * 50_000) == {}


@pytest.mark.parametrize(
    ("family", "more", "expected"),
    [
        ("gemma3", {"window": 512}, {"window": 512, "full_layers": 3}),
        ("deepseek2", {"keys": 576, "values": 512, "mla": 192}, {"kv_heads": 1, "head_dim": 576, "latent": 576}),
        ("deepseek2", {"keys": 192, "values": 128}, {"head_dim": 192, "value_dim": 128}),
        ("lfm2", {"kv_heads": [0, 2] * 9}, {"layers": 9, "kv_heads": 2}),
    ],
)
def test_a_gguf_of_a_family(family: str, more: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    writer = written.GGUFWriter(str(tmp_path / "m.gguf"), family)
    writer.add_block_count(18)
    writer.add_context_length(4096)
    writer.add_embedding_length(1024)
    writer.add_head_count(4)
    writer.add_head_count_kv(more.get("kv_heads", 4))
    for name, add in (
        ("window", writer.add_sliding_window),
        ("keys", writer.add_key_length),
        ("values", writer.add_value_length),
        ("mla", writer.add_key_length_mla),
    ):
        if name in more:
            add(more[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    told = of_gguf(gguf.pairs((tmp_path / "m.gguf").read_bytes()))
    plain = {"layers": 18, "kv_heads": 4, "head_dim": 256, "context": 4096}
    assert told
    assert told.model_dump(exclude_defaults=True) == {**plain, **expected}


HAS = ["README.md", ".gitattributes", "config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx"]
HAS += ["original/params.json", "tokenizer.json", "plot.png", "vae/model.safetensors"]


@pytest.mark.parametrize(
    ("model", "names", "taken"),
    [
        ({}, HAS, ["config.json", "model.safetensors", "tokenizer.json", "vae/model.safetensors"]),
        ({}, ["README.md", "config.json", "pytorch_model.bin"], ["config.json", "pytorch_model.bin"]),
        ({}, ["README.md", "a.gguf"], ["a.gguf"]),
        ({"file": "onnx/model.onnx"}, HAS, ["onnx/model.onnx"]),
        ({"only": ["*.bin", "config.json", "*.json"]}, HAS,
         ["config.json", "original/params.json", "pytorch_model.bin", "tokenizer.json"]),
        ({"file": "model.safetensor"}, HAS,
         "a/b@main has no file 'model.safetensor'; did you mean 'model.safetensors'?"),
        ({"only": ["*.safetensor"]}, HAS,
         "no file of a/b@main is like '*.safetensor'; did you mean 'model.safetensors'?"),
        ({}, ["a-Q4.gguf", "a-Q8.gguf"],
         "a/b@main has 2 files .gguf, each a model of its own or a part of one; "
         "name one with `file`, or those of one with `only`"),
        ({}, ["README.md"], "a/b@main has no file that an engine loads; name the files with `only`"),
        ({"file": "x"}, [f"file-{n}" for n in range(20)], "a/b@main has no file 'x'; look up its files at its page"),
        ({"only": ["*"]}, ["../../etc/passwd"],
         "a/b@main * has the file '../../etc/passwd', which no host would take; "
         "choose the files that you need with `only`"),
    ],
)  # fmt: skip
def test_the_files_of_a_model(model: dict[str, Any], names: list[str], taken: list[str] | str) -> None:
    asked = Model(repo="a/b", **model)
    if isinstance(taken, list):
        assert [*selected("models/m", asked, names)] == taken
        return
    with pytest.raises(Refused) as refused:
        selected("models/m", asked, names)
    assert str(refused.value) == f"models/m: {taken}"
