"""Models: where their files come from, what they are called on a host, and what is refused before any is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.catalog.lockfile import text
from gpufleet.errors import Refused
from gpufleet.plan import plan, want
from gpufleet.schema import HostFacts, Lock, Model
from tests.conftest import planned

COMMIT = "0" * 40
SHA = "sha256:" + "1" * 64
SHAPE = {"layers": 2, "kv_heads": 2, "head_dim": 64, "context": 8192}
PIECES = {
    "model-00001-of-00002.gguf": {"bytes": 7, "digest": SHA},
    "config.json": {"bytes": 2, "digest": "git:" + "2" * 40},
}


def locked(folder: Path, **told: Any) -> dict[str, Any]:
    """Settings with a lock of one model."""
    model = {"revision": COMMIT, "files": PIECES, "architecture": SHAPE, **told}
    (folder / "gpufleet.lock").write_text(text(Lock.model_validate({"models": {"acme/tiny@main": model}})))
    return {"models": {"chat": {"repo": "acme/tiny"}}, "lock": str(folder / "gpufleet.lock")}


def test_a_folder_is_fetched_whole_and_its_first_part_loaded(hosts: dict[str, HostFacts], tmp_path: Path) -> None:
    found = planned(hosts["cpu"], "cpu", locked(tmp_path))
    (folder,) = {d.folder for d in found.downloads}
    assert folder.startswith("/srv/gpufleet/models/tiny-")
    assert {d.path.removeprefix(f"{folder}/"): d.digest for d in found.downloads} == {
        p: x["digest"] for p, x in PIECES.items()
    }
    assert {d.url for d in found.downloads} == {
        f"https://huggingface.co/acme/tiny/resolve/{COMMIT}/{p}" for p in PIECES
    }
    llama = next(s for s in found.services if s.name == "llama")
    assert llama.command[1] == f"/models/{folder.rpartition('/')[2]}/model-00001-of-00002.gguf"
    assert not found.blocked


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5})?", fullmatch=True),
        st.tuples(st.integers(1, 99), st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
        min_size=1,
    )
)
def test_the_name_of_a_folder_tells_its_content(pieces: dict[str, tuple[int, str]]) -> None:
    files = {path: {"bytes": size, "digest": f"sha256:{hex_}"} for path, (size, hex_) in pieces.items()}
    one = Model.model_validate({"repo": "a/b", "revision": COMMIT, "files": files})
    again = Model.model_validate({"repo": "c/b", "revision": "1" * 40, "files": dict(reversed(files.items()))})
    assert one.at == again.at
    path, (size, hex_) = next(iter(pieces.items()))
    other = {**files, path: {"bytes": size, "digest": f"sha256:{hex_[1:]}{'0' if hex_[0] != '0' else '1'}"}}
    assert Model.model_validate({"repo": "a/b", "revision": COMMIT, "files": other}).at != one.at


def test_what_is_not_in_the_lock_is_refused(tmp_path: Path) -> None:
    data = {"models": {"chat": {"repo": "acme/tiny"}}, "lock": str(tmp_path / "gpufleet.lock")}
    line = f"models/chat: acme/tiny@main is not in {data['lock']}; run `gpufleet lock INVENTORY`, and commit the file"
    with pytest.raises(Refused) as refused:
        want(["cpu"], data)
    assert [str(p) for p in refused.value.problems] == [line]
    assert want(["cpu"], data, locking=True).own_weights[0].model.key == "acme/tiny@main"


@pytest.mark.parametrize(
    ("data", "present", "blocked"),
    [
        ({}, False, ["HOST-SECRET"]),
        ({}, True, []),
        ({"secrets": {"HF_TOKEN": "env:HF_TOKEN"}}, False, []),
    ],
    ids=["no token", "it is there", "a token"],
)
def test_a_gated_model_wants_a_token(
    hosts: dict[str, HostFacts], tmp_path: Path, data: dict[str, Any], present: bool, blocked: list[str]
) -> None:
    wanted = want(["all", "cpu"], {**locked(tmp_path, gated=True), **data})
    facts = hosts["cpu"]
    if present:
        sizes = {d.path: d.bytes for d in plan("host", wanted, facts).downloads}
        facts = facts.model_copy(update={"present": sizes})
    found = plan("host", wanted, facts)
    assert [f.id for f in found.blocked] == blocked
    assert all("https://huggingface.co/acme/tiny" in str(f) for f in found.blocked)
    assert [s.name for s in found.secrets if s.name == "HF_TOKEN"] == (["HF_TOKEN"] if not present else [])


def test_two_models_of_one_name_and_other_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    one = {"url": "http://x/a.gguf", "file": "a.gguf", "bytes": 5, "sha256": "1" * 64}
    (tmp_path / "stacks/two.yaml").write_text(
        "title: x\nmodels: {a: sd-v1-5, b: sd-v1-5}\nservices: {draw: {service: comfyui, models: [a, b]}}\n"
    )
    data = {"stack": str(tmp_path / "stacks/two.yaml"), "models": {"a": one, "b": {**one, "sha256": "2" * 64}}}
    with pytest.raises(Refused) as refused:
        want(["single_gpu"], data)
    assert [str(p) for p in refused.value.problems] == [
        "models/b: a.gguf is the file of a, too, with other bytes; choose another model, or tier, for one of them"
    ]


def test_an_image_that_is_locked_is_pulled_by_digest(hosts: dict[str, HostFacts], tmp_path: Path) -> None:
    name, digest = "docker.io/library/redis:8.2.1", "sha256:" + "a" * 64
    (tmp_path / "gpufleet.lock").write_text(text(Lock(images={name: digest})))
    found = planned(hosts["cpu"], "cpu", {"lock": str(tmp_path / "gpufleet.lock")})
    assert f"{name}@{digest}" in {p.image for p in found.pulls}
    assert f"{name}@{digest}" in {s.image for s in found.services}
