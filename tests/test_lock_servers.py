"""`gpufleet lock`, and what Hubs and registries answer: gates, tokens, faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpufleet.cli.locking import patience, registry
from gpufleet.errors import Refused
from tests import registry as registries
from tests.hub import publish
from tests.lab import gguf
from tests.locking import FILES, TOKEN, Site


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAITS", (0, 0))


def test_a_gated_model_wants_a_token(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(site.hub.root, "acme/tiny", FILES, gated=True, allowed=[TOKEN])
    line = (
        f"gpufleet lock: models/chat: acme/tiny is gated; accept its terms at {site.hub.url}/acme/tiny with your "
        'account, and give a token: secrets = {"HF_TOKEN": "env:HF_TOKEN"}'
    )
    assert site.run()[::2] == (1, [line])
    assert not site.locked.models
    assert len(site.locked.images) == 4, "the rest is written"
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
    assert (len(site.locked.images), len(site.locked.models)) == (2, 0)


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
    assert (code, out, len(err)) == (1, [], 1)
    assert err[0].startswith(f"gpufleet lock: models/chat: {site.hub.url} ")
    assert site.locked == before, "what could not be looked up again is what it was"


def test_a_server_that_is_no_hub_and_one_that_is_away(site: Site) -> None:
    at = {"huggingface": f"{site.hub.url}/files", "registry": "127.0.0.1:1", "ollama": site.hub.url}
    code, _, err = site.run(mirrors=at)
    assert code == 1
    assert sorted(line.split(": ", 2)[1] for line in err) == [
        "images/fetcher",
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
    assert len(site.locked.images) == 4
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
