"""The Hub of the tests, with the real client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import cases
from tests.hub import Hub, Request, publish

# Calls of HfApi, a line of JSON each: what it gave, or the name of its error.
CLIENT = """
import json, sys
from huggingface_hub import HfApi
for line in sys.stdin:
    asked = json.loads(line)
    try:
        found = getattr(HfApi(endpoint=asked["url"], token=asked["token"]), asked["call"])(**asked["with"])
        told = {"found": json.dumps(found, default=lambda o: vars(o) if hasattr(o, "__dict__") else list(o))}
    except Exception as error:
        told = {"error": type(error).__name__}
    print(json.dumps(told), flush=True)
"""


def started(home: Path, **environ: str) -> subprocess.Popen[str]:
    """The client, with a home of its own; it waits two seconds for a server that says nothing."""
    own = {"HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "2", **environ}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", CLIENT], env={**clean, **own}, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def ask(client: subprocess.Popen[str], hub: Hub, call: str, token: str | None = None, **options: Any) -> None:
    assert client.stdin
    told = {"url": hub.url, "call": call, "token": token or False, "with": options}
    client.stdin.write(json.dumps(told) + "\n")
    client.stdin.flush()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """One client for all tests: it takes a second to start. Each gives it a cache of its own."""
    with started(tmp_path_factory.mktemp("home"), HF_HUB_DISABLE_XET="1") as client:
        yield client
        client.kill()


def called(client: subprocess.Popen[str], hub: Hub, call: str, token: str | None = None, **options: Any) -> Any:
    """What a call gave; or the name of its error, in a dictionary."""
    assert client.stdout
    ask(client, hub, call, token, **options)
    told = json.loads(client.stdout.readline())
    return json.loads(told["found"]) if "found" in told else told


def content(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + bytes(size % 251)


def line(request: Request) -> str:
    sent = str(request.sent) if request.status in (200, 206) and request.method == "GET" else None
    return " ".join(filter(None, (request.method, str(request.status), request.range, sent)))


@pytest.mark.parametrize("case", cases("hub").values(), ids=cases("hub").keys())
def test_the_client_downloads(client: subprocess.Popen[str], hub: Hub, tmp_path: Path, case: dict[str, Any]) -> None:
    data, told = content(case.get("bytes", 5000)), dict(case.get("settings", {}))
    if told.get("cdn"):
        told["cdn"] = hub.url.replace("127.0.0.1", "localhost")
    for name in ("acme/new", "acme/tiny"):
        publish(hub.root, name, {"model.gguf": data}, **(told if name == "acme/tiny" else {}))
    for fault in case.get("faults", []):
        hub.faults.add(**fault)
    options = {"repo_id": "acme/tiny", "filename": "model.gguf", "cache_dir": str(tmp_path), **case.get("with", {})}
    found = called(client, hub, "hf_hub_download", case.get("token"), **options)
    assert [line(request) for request in hub.asked("model.gguf")] == case["asked"]
    if "error" in case:
        assert found == {"error": case["error"]}
    else:
        assert (Path(found).read_bytes() != data) == case.get("spoiled", False)


def test_a_snapshot_is_listed_in_pages_and_fetched(client: subprocess.Popen[str], hub: Hub, tmp_path: Path) -> None:
    files = {"config.json": b"{}", "a/b/model.gguf": content(9000), "vocab & more.txt": content(2_000_000)}
    old = publish(hub.root, "acme/tiny", {"config.json": b"old"})
    commit = publish(hub.root, "acme/tiny", files)
    info = called(client, hub, "model_info", repo_id="acme/tiny", files_metadata=True)
    sizes = {each["rfilename"]: (each["size"], bool(each["lfs"])) for each in info["siblings"]}
    assert info["sha"] == commit != old
    assert sizes == {"config.json": (2, False), "a/b/model.gguf": (9000, True), "vocab & more.txt": (2_000_000, True)}
    assert info["siblings"][1]["blob_id"] == "9e26dfeeb6e641a33dae4961196235bdb965b21b"
    paths = called(client, hub, "get_paths_info", repo_id="acme/tiny", paths=["config.json", "none"])
    assert [each["blob_id"] for each in paths] == ["9e26dfeeb6e641a33dae4961196235bdb965b21b"]
    found = Path(called(client, hub, "snapshot_download", repo_id="acme/tiny", cache_dir=str(tmp_path)))
    assert found.name == commit
    assert {str(p.relative_to(found)): p.read_bytes() for p in found.rglob("*") if p.is_file()} == files
    assert hub.sent("resolve/*") == sum(len(data) for data in files.values())
    called(client, hub, "snapshot_download", repo_id="acme/tiny", cache_dir=str(tmp_path), revision=old)
    assert (found.parent / old / "config.json").read_bytes() == b"old"


def test_a_listing_comes_in_pages(hub: Hub, monkeypatch: pytest.MonkeyPatch, client: subprocess.Popen[str]) -> None:
    monkeypatch.setattr("tests.hub.api.PAGE", 3)
    names = [f"f/{at}.txt" for at in range(7)]
    publish(hub.root, "acme/tiny", dict.fromkeys([*names, "other.txt"], b""))
    found = called(client, hub, "list_repo_tree", repo_id="acme/tiny", path_in_repo="f", recursive=True)
    assert [each["path"] for each in found] == names
    assert len(hub.asked("*/tree/*")) == 3


def test_who_may_have_it_is_told_before(client: subprocess.Popen[str], hub: Hub) -> None:
    publish(hub.root, "acme/tiny", {"model.gguf": b"1"}, gated=True, allowed=["hf_good"])
    assert called(client, hub, "auth_check", repo_id="acme/tiny") == {"error": "GatedRepoError"}
    assert called(client, hub, "auth_check", "hf_good", repo_id="acme/tiny") is None
    assert called(client, hub, "model_info", repo_id="acme/tiny")["gated"] == "manual"


@pytest.mark.parametrize("answers", [False, True])
def test_xet_hangs_or_fails_though_the_file_could_be_had(tmp_path: Path, hub: Hub, answers: bool) -> None:
    """Its token is refused at once, or never comes: the client falls back to plain HTTP in neither case."""
    publish(hub.root, "acme/tiny", {"model.gguf": content(5000)}, xet=True)
    fault: dict[str, Any] = {"kind": "status", "status": 403} if answers else {"kind": "stall"}
    hub.faults.add(path="*/xet-read-token/*", **fault)
    with started(tmp_path / "home") as client:
        ask(client, hub, "hf_hub_download", repo_id="acme/tiny", filename="model.gguf")
        assert client.stdout
        if answers:
            assert json.loads(client.stdout.readline()) == {"error": "HfHubHTTPError"}
        else:
            until(lambda: bool(hub.asked("xet-read-token/*")))
            assert client.poll() is None
        client.kill()
    assert [(r.method, r.status) for r in hub.asked("model.gguf")] == [("HEAD", 200)]
    assert hub.sent("model.gguf") == 0


def until(true: Callable[[], bool]) -> None:
    """Wait for it; the test's own limit ends a wait for what never comes."""
    while not true():
        time.sleep(0.02)
