"""`gpufleet lock`, against a Hub and a registry: the command, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpufleet import cli
from gpufleet.cli.locking import needs, patience, registry
from gpufleet.errors import Refused
from tests import registry as registries
from tests.hub import publish
from tests.lab import gguf
from tests.locking import FILES, IMAGES, TOKEN, Site, served


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAITS", (0, 0))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    with served(tmp_path, monkeypatch) as (hub, images, common):
        Path("group_data").mkdir()
        Path("group_data/all.py").write_text("".join(f"{key} = {value!r}\n" for key, value in common.items()))
        Path("inventory.py").write_text("cpu = ['b.example', ('a.example', {'services': {'puller': True}})]\n")
        yield Site(hub, images, capsys)


def test_all_is_locked_once_and_stays(site: Site) -> None:
    code, out, err = site.run()
    assert (code, err) == (0, [])
    assert [line.split()[:2] for line in out] == [
        ["added", "docker.io/team/engine:1.0"],
        ["added", "ghcr.io/team/puller:2.0"],
        ["added", "ghcr.io/team/puller:2.0-cuda"],
        ["added", "acme/tiny@main"],
        ["added", "tiny:1b"],
    ]
    model = site.locked.models["acme/tiny@main"]
    assert {path: piece.digest[:4] for path, piece in model.files.items()} == {
        "config.json": "git:",
        "model.safetensors": "sha2",
    }
    assert (model.licence, model.gated, model.architecture.head_dim) == ("apache-2.0", False, 16)
    assert site.locked.pulls["tiny:1b"].bytes == 711
    before, asked = Path("gpufleet.lock").read_text(), len(site.hub.log)
    assert before.startswith("# Written by `gpufleet lock`")
    assert site.run() == (0, ["gpufleet.lock: nothing to change"], [])
    assert (Path("gpufleet.lock").read_text(), len(site.hub.log)) == (before, asked), "nobody was asked"


def test_what_moved_stays_until_it_is_upgraded(site: Site) -> None:
    site.run()
    first = site.locked
    commit = publish(site.hub.root, "acme/tiny", {**FILES, "config.json": b"{}"})
    site.registry.publish(IMAGES[0], 101)
    assert site.run()[0] == 0
    assert site.locked == first
    line = f"changed  acme/tiny@main  {first.models['acme/tiny@main'].revision[:12]} (2 files, 3 MB) -> {commit[:12]}"
    assert site.run("--upgrade", "chat") == (0, [f"{line} (2 files, 3 MB)"], [])
    assert site.locked.models["acme/tiny@main"].architecture is None
    code, out, _ = site.run("--upgrade")
    assert (code, [line.split()[:2] for line in out]) == (0, [["changed", IMAGES[0]]])
    code, _, err = site.run("--upgrade", "chatt")
    assert (code, err) == (
        64,
        ["gpufleet lock: --upgrade: no host needs 'chatt'; did you mean 'chat'? See gpufleet lock --help"],
    )


def test_check_asks_nobody_and_tells_what_is_missing_and_unused(site: Site) -> None:
    assert site.run("--check")[:2] == (
        2,
        [f"missing  {name} in gpufleet.lock" for name in (*IMAGES, "acme/tiny@main", "tiny:1b")],
    )
    assert not Path("gpufleet.lock").exists()
    site.run()
    asked = (len(site.hub.log), len(site.registry.asked))
    assert site.run("--check") == (0, ["gpufleet.lock: up to date"], [])
    told = site.run("--check", models={"chat": "other"})
    assert told == (2, ["missing  acme/other@main in gpufleet.lock", "unused   acme/tiny@main in gpufleet.lock"], [])
    assert (len(site.hub.log), len(site.registry.asked)) == asked


def test_what_nobody_needs_goes(site: Site) -> None:
    site.run()
    code, out, _ = site.run(services={"puller": False})
    assert (code, out) == (0, [f"removed  {name}" for name in (*IMAGES[1:], "tiny:1b")])
    assert site.run("--check", services={"puller": False})[0] == 0


def test_a_gated_model_wants_a_token(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(site.hub.root, "acme/tiny", FILES, gated=True, allowed=[TOKEN])
    line = (
        f"gpufleet lock: models/chat: acme/tiny is gated; accept its terms at {site.hub.url}/acme/tiny with your "
        'account, and give a token: secrets = {"HF_TOKEN": "env:HF_TOKEN"}'
    )
    assert site.run()[::2] == (1, [line])
    assert not site.locked.models
    assert len(site.locked.images) == 3, "the rest is written"
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")
    refused = (
        "gpufleet lock: models/chat: acme/tiny is gated, and not open to the token; accept its terms at "
        f"{site.hub.url}/acme/tiny with the token's account"
    )
    assert site.run()[::2] == (1, [refused])
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    code, out, err = site.run()
    assert (code, err) == (0, [])
    assert site.locked.models["acme/tiny@main"].gated
    assert out[0].endswith("gated)")
    assert TOKEN not in Path("gpufleet.lock").read_text() + "".join(out)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("", "the variable MINE is not set on this machine; export MINE, and run again"),
        ("hf good", "has a blank, or letters that no token has; mend it"),
    ],
)
def test_a_token_that_is_none(site: Site, monkeypatch: pytest.MonkeyPatch, value: str, what: str) -> None:
    monkeypatch.setenv("MINE", value)
    code, _, err = site.run(secrets={"HF_TOKEN": "env:MINE"})
    assert (code, err) == (1, [f"gpufleet lock: group_data/secrets/HF_TOKEN: {what}"])


def test_one_file_by_two_spellings_is_one(site: Site) -> None:
    assert site.run(lock="./gpufleet.lock")[0] == 0
    assert site.run("--check")[0] == 0


def test_nothing_is_looked_up_again_by_a_check(site: Site) -> None:
    assert site.run("--check", "--upgrade")[0] == 64


def test_a_token_that_the_hub_refuses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_invalid")
    code, _, err = site.run()
    assert (code, len(err)) == (1, 1)
    assert "does not accept the token" in err[0]
    assert "hf_invalid" not in err[0]


def test_what_the_hub_has_not_is_one_line(site: Site) -> None:
    publish(site.hub.root, "acme/old", {}, moved="acme/tiny")
    lines = {
        "there is no HUB/acme/none, or it is private; check its name, or give a token: "
        'secrets = {"HF_TOKEN": "env:HF_TOKEN"}': {"repo": "acme/none"},
        "acme/tiny has no revision 'v9'; write a branch, a tag or a commit of it": {
            "repo": "acme/tiny",
            "revision": "v9",
        },
        "acme/tiny@main has no file 'modle.safetensors'; did you mean 'model.safetensors'?": {
            "repo": "acme/tiny",
            "file": "modle.safetensors",
        },
        "acme/old is acme/tiny now; write `repo: acme/tiny`": {"repo": "acme/old"},
        "acme/a--b is no name of a repository; write OWNER/NAME": {"repo": "acme/a--b"},
    }
    hosts = [(f"h{n}", {"models": {"chat": model}}) for n, model in enumerate(lines.values())]
    Path("inventory.py").write_text(f"cpu = {hosts}\n")
    code, _, err = site.run()
    assert (code, len(err)) == (1, len(lines))
    assert {line.replace(site.hub.url, "HUB") for line in err} == {
        f"gpufleet lock: models/chat: {line}" for line in lines
    }
    assert (len(site.locked.images), len(site.locked.models)) == (1, 0)


def test_a_gguf_is_read_no_further_than_its_head_and_the_token_stays_at_the_hub(site: Site) -> None:
    gguf.write(Path("tiny.gguf"), "pong")
    elsewhere = site.hub.url.replace("127.0.0.1", "localhost")
    files = {"tiny.gguf": Path("tiny.gguf").read_bytes(), "large.gguf": b"g" * (2 << 20)}
    publish(site.hub.root, "acme/gguf", files, gated=True, allowed=[TOKEN], cdn=elsewhere)
    Path("token").write_text(f"{TOKEN}\n")
    model = {"repo": "acme/gguf", "file": "tiny.gguf"}
    code, _, err = site.run(models={"chat": model}, secrets={"HF_TOKEN": "file:token"}, services={"puller": False})
    assert (code, err) == (0, [])
    locked = site.locked.models["acme/gguf@main tiny.gguf"]
    assert ([*locked.files], locked.architecture.head_dim) == (["tiny.gguf"], 96)
    assert [request.token for request in site.hub.asked("/cdn/*")] == [False]
    assert site.hub.sent("tiny.gguf") <= 1 << 20


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "cut"}])
def test_a_hub_that_is_busy_is_asked_again_and_told_when_it_stays_so(site: Site, fault: dict[str, Any]) -> None:
    site.hub.faults.add(path="*/revision/main", times=2, **fault)
    assert site.run()[0] == 0
    site.hub.faults.add(path="*/revision/main", **fault)
    before = site.locked
    code, out, err = site.run("--upgrade", "chat")
    assert (code, out, len(err)) == (1, ["gpufleet.lock: nothing to change"], 1)
    assert err[0].startswith(f"gpufleet lock: models/chat: {site.hub.url} ")
    assert site.locked == before, "what could not be looked up again is what it was"


def test_a_server_that_is_no_hub_and_one_that_is_away(site: Site) -> None:
    at = {"huggingface": f"{site.hub.url}/files", "registry": "127.0.0.1:1", "ollama": site.hub.url}
    code, _, err = site.run(mirrors=at)
    assert code == 1
    assert sorted(line.split(": ", 2)[1] for line in err) == [
        "models/chat",
        "models/small",
        "services/engine/image/cpu",
        "services/puller/image/cpu",
        "services/puller/image/cuda",
    ]
    assert all("127.0.0.1:1 cannot be reached; check its address" in line for line in err if "/image/" in line)
    assert not Path("gpufleet.lock").exists()


def test_a_registry_that_wants_a_token_of_anybody(site: Site) -> None:
    site.registry.login = True
    assert site.run()[0] == 0
    assert len(site.locked.images) == 3
    assert not any(path.startswith("GET /v2/docker.io") for path in site.registry.asked), "HEAD is no pull"


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (0, "REGISTRY has no REGISTRY/docker.io/team/engine:1.0; check the name and the tag"),
        (403, "REGISTRY gives REGISTRY/docker.io/team/engine:1.0 to nobody without a login, or has it not; "),
        (500, "REGISTRY answers HTTP 500; run again later"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_an_image_that_cannot_be_looked_up(status: int, line: str) -> None:
    with registries.serve() as images:
        images.status = status
        with pytest.raises(Refused) as refused:
            registry.image("services/engine/image/cpu", f"{images.at}/docker.io/team/engine:1.0")
    told = str(refused.value).replace(images.at, "REGISTRY")
    assert told.startswith(f"services/engine/image/cpu: {line}")


@pytest.mark.parametrize(
    ("inventory", "code", "line"),
    [
        ("cpu = []\n", 64, "INVENTORY: inventory.py has no hosts; write them into groups: cpu = ['HOST']"),
        ("cpu = [\n", 64, "INVENTORY: inventory.py:1: SyntaxError: '[' was never closed"),
        ("print('hello')\ncpu = [('h', {'stak': 1})]\n", 3,
         "h: group_data/stak: unknown key 'stak'; did you mean 'stack'?"),
    ],
)  # fmt: skip
def test_an_inventory_or_a_host_that_is_wrong(site: Site, inventory: str, code: int, line: str) -> None:
    Path("inventory.py").write_text(inventory)
    told = site.run()
    assert told[::2] == (code, [f"gpufleet lock: {line}"])
    assert not Path("gpufleet.lock").exists()


def test_a_lock_that_is_malformed_or_cannot_be_written(site: Site) -> None:
    assert site.run(lock="none/gpufleet.lock")[::2] == (
        1,
        ["gpufleet lock: none/gpufleet.lock: cannot be written: no such file or directory; check the setting `lock`"],
    )
    Path("gpufleet.lock").write_text("version: 1\nmodels: []\n")
    code, _, err = site.run()
    assert (code, err) == (3, ["gpufleet lock: gpufleet.lock/models: [] is not accepted; write `key: value` pairs"])


HOSTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "models": st.sampled_from([{"chat": "other"}, {"chat": {"repo": "acme/tiny", "only": ["*.json"]}}]),
            "services": st.just({"puller": True}),
        },
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=8)
@given(data=HOSTS, order=st.randoms(use_true_random=False))
def test_a_second_run_changes_nothing_and_the_order_of_hosts_neither(
    data: list[dict[str, Any]], order: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch, served(tmp_path_factory.mktemp("law"), patch) as common:
        hosts = [{"name": f"h{n}", "groups": ["cpu"], "data": {**common[2], **own}} for n, own in enumerate(data)]
        patch.setattr(needs, "_hosts", lambda *_: hosts)
        assert cli.main(["lock", "any"]) == 0
        first = Path("gpufleet.lock").read_text()
        assert cli.main(["lock", "any"]) == 0
        assert Path("gpufleet.lock").read_text() == first
        order.shuffle(hosts)
        Path("gpufleet.lock").unlink()
        assert cli.main(["lock", "any"]) == 0
        assert Path("gpufleet.lock").read_text() == first
