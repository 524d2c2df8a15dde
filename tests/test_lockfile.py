"""The lock as a file."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpufleet.catalog.lockfile import lock, text
from gpufleet.errors import Refused
from gpufleet.schema import Architecture, Lock, LockedModel, LockedPull, Piece


def _pull(manifest: str) -> LockedPull:
    return LockedPull(digest=sha256(manifest.encode()).hexdigest(), bytes=5, manifest=manifest)


HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
PIECES = st.builds(
    Piece, bytes=st.integers(0, 2**40), digest=HEX.map("sha256:{}".format) | HEX.map(lambda h: f"git:{h[:40]}")
)
KEYS = st.sampled_from(["a/b@main", "A/B-1@v1 c.gguf", "x/y@main *.safetensors *.json", "llama3.2:3b", "ghcr.io/a/b:1"])
PULLS = st.builds(
    lambda digest, size, more: _pull(json.dumps({"layers": [{"digest": f"sha256:{digest}", "size": size}], "x": more})),
    HEX,
    st.integers(0, 2**40),
    st.text(max_size=9),
)
MODELS = st.builds(
    LockedModel,
    revision=HEX.map(lambda h: h[:40]),
    files=st.dictionaries(
        st.sampled_from(["config.json", "a.gguf", "text/model-1.safetensors"]), PIECES, min_size=1, max_size=3
    ),
    architecture=st.none() | st.just(Architecture(layers=2, kv_heads=1, head_dim=8, context=64)),
    gated=st.booleans(),
    licence=st.text(max_size=9),
)
LOCKS = st.builds(
    Lock,
    models=st.dictionaries(KEYS, MODELS, max_size=3),
    pulls=st.dictionaries(KEYS, PULLS, max_size=2),
    images=st.dictionaries(KEYS, HEX.map("sha256:{}".format), max_size=2),
)


@settings(max_examples=60)
@given(LOCKS)
def test_a_lock_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, locked: Lock) -> None:
    file = tmp_path_factory.getbasetemp() / "gpufleet.lock"
    file.write_text(text(locked))
    assert lock(file) == locked
    assert text(lock(file)) == text(locked)


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert lock(tmp_path / "gpufleet.lock") == Lock()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "gpufleet.lock: is empty; write `key: value` pairs"),
        ("models: [", "gpufleet.lock:2:1: malformed YAML: did not find expected node content; mend the line"),
        ("version: 2", "gpufleet.lock/version: 2 is not accepted; input should be 1"),
        ("modles: {}", "gpufleet.lock/modles: unknown key 'modles'; did you mean 'models'?"),
        (
            f"pulls: {{a:1b: {{digest: {'a' * 64}, bytes: 5, manifest: '{{}}'}}}}",
            "gpufleet.lock/pulls/a:1b/manifest: '{}' is not accepted; it is not what `digest` says: run `gpufleet",
        ),
        (
            f"pulls: {{a:1b: {{digest: {sha256(b'{}').hexdigest()}, bytes: 5, manifest: '{{}}'}}}}",
            "gpufleet.lock/pulls/a:1b/manifest: '{}' is not accepted; no model of Ollama's has such: run `gpufleet",
        ),
        ("images: {a/b:1: latest}", "gpufleet.lock/images/a/b:1: 'latest' is not accepted; write it like sha256:HEX"),
    ],
)
def test_a_malformed_one_is_one_line(content: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gpufleet.lock").write_text(content)
    with pytest.raises(Refused) as refused:
        lock(Path("gpufleet.lock"))
    assert str(refused.value).startswith(line)
    assert len(refused.value.problems) == 1


def test_a_merge_that_is_not_done_is_told(tmp_path: Path) -> None:
    (tmp_path / "gpufleet.lock").write_text("version: 1\n<<<<<<< ours\nimages: {}\n=======\n>>>>>>> theirs\n")
    with pytest.raises(Refused) as refused:
        lock(tmp_path / "gpufleet.lock")
    assert "has merge conflict markers; take one side of each, then run `gpufleet lock INVENTORY`" in str(refused.value)
