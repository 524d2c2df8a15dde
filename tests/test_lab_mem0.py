"""Mem0's program as its image has it: the real Mem0, with Ollama's stand-in before a real llama.cpp server."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gpufleet.catalog import OURS
from tests.lab.gguf import write
from tests.lab.paths import FILES
from tests.lab.running import free_port, running
from tests.lab.shell import cached
from tests.lab.trees import llama_tree
from tests.lab.wheels import install

pytestmark = pytest.mark.lab
IMAGE = OURS / "images" / "mem0"
KEY, CHAT, EMBED = "m0-word", "chat:1", "embed:1"
# Qdrant cannot be had: its client keeps the vectors in its own process.
PROGRAM = """import sys, app, qdrant_client, uvicorn
told = app.CONFIG["vector_store"]["config"]
told |= {"client": qdrant_client.QdrantClient(":memory:"), "url": None, "api_key": None}
# Its own is longer than what the lab's model can read.
app.CONFIG["custom_fact_extraction_prompt"] = "Answer with JSON: the facts of this talk."
uvicorn.run(app.app, port=int(sys.argv[1]), log_level="warning")
"""
# It takes the model from where the stand-in keeps it into its own root.
SERVER = """#!/bin/sh
shift
model=$1
shift
exec unshare -m sh -c 'mount --bind {models} {tree}/mnt && exec chroot {tree} /app/llama-server "$@"' - \\
  -m "/mnt${{model#{models}}}" "$@"
"""


def packages() -> Path:
    """What the image installs."""
    wanted = (IMAGE / "requirements.txt").read_text().split()
    return cached("mem0", " ".join([*wanted, sys.version]), lambda folder: install(folder, "--no-deps", *wanted))


@pytest.fixture(scope="module")
def mem0(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port."""
    folder, ollama, port = tmp_path_factory.mktemp("mem0"), free_port(), free_port()
    models = folder / "models"
    write(folder / "tiny.gguf", "pong from lab")
    models.mkdir()
    (folder / "bin").mkdir()
    server = folder / "bin" / "llama-server"
    server.write_text(SERVER.format(tree=llama_tree(), models=models))
    server.chmod(0o755)
    program = folder / "bin" / "ollama.py"
    program.write_text((FILES / "image" / "ollama.py").read_text().replace("11434", str(ollama)))
    path = f"{server.parent}:{os.environ['PATH']}"
    engine = {
        "OLLAMA_MODELS": str(models), "OLLAMA_SOURCE": f"file://{folder}/tiny.gguf", "PATH": path,
        "PYTHONPATH": str(FILES / "image"),
    }  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(running(sys.executable, "-B", program, "serve", cwd=folder, port=ollama, env=engine))
        for model in (CHAT, EMBED):
            ask(ollama, "/api/pull", {"model": model})
        size = len(json.loads(ask(ollama, "/api/embed", {"model": EMBED, "input": "x"})[1])["embeddings"][0])
        told = {
            "MEM0_API_KEY": KEY, "OLLAMA_BASE_URL": f"http://127.0.0.1:{ollama}", "MEM0_LLM_MODEL": CHAT,
            "MEM0_EMBED_MODEL": EMBED, "MEM0_EMBED_DIMS": str(size), "MEM0_COLLECTION": "mem0", "MEM0_DIR": str(folder),
            "MEM0_TELEMETRY": "False", "QDRANT_URL": "", "QDRANT_API_KEY": "", "HOME": str(folder),
            "PYTHONPATH": f"{IMAGE}:{packages()}",
        }  # fmt: skip
        stack.enter_context(running(sys.executable, "-B", "-c", PROGRAM, str(port), cwd=folder, port=port, env=told))
        yield port


def ask(port: int, path: str, body: object = None, token: str = KEY, method: str | None = None) -> tuple[int, str]:
    """(HTTP status, text)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def texts(answer: tuple[int, str]) -> list[str]:
    assert answer[0] == 200, answer
    return [one["memory"] for one in json.loads(answer[1])["results"]]


def test_what_is_told_is_found_by_its_user_alone(mem0: int) -> None:
    for user, text in (("ann", "likes tea"), ("bob", "likes coffee")):
        told = {"messages": [{"content": text}], "user_id": user, "infer": False, "metadata": {"from": "test"}}
        assert texts(ask(mem0, "/memories", told)) == [text]
    assert texts(ask(mem0, "/search", {"query": "drinks", "user_id": "ann"})) == ["likes tea"]
    kept = json.loads(ask(mem0, "/memories?user_id=bob")[1])["results"]
    assert [(one["memory"], one["metadata"]) for one in kept] == [("likes coffee", {"from": "test"})]
    assert ask(mem0, f"/memories/{kept[0]['id']}", method="DELETE")[0] == 200
    assert texts(ask(mem0, "/memories?user_id=bob")) == []
    assert ask(mem0, "/memories?user_id=ann", method="DELETE")[0] == 200
    assert texts(ask(mem0, "/memories?user_id=ann")) == []


def test_the_model_is_asked_what_is_worth_keeping(mem0: int) -> None:
    """The lab's has one answer to everything, in which Mem0 finds nothing."""
    assert texts(ask(mem0, "/memories", {"messages": [{"content": "hello"}], "user_id": "cy"})) == []


@pytest.mark.parametrize(
    ("path", "body", "token", "status"),
    [
        ("/health", None, "", 200), ("/memories?user_id=a", None, "", 401), ("/search", {}, "m0-wor", 401),
        ("/search", {"query": "x", "user_id": "ann"}, "", 401), ("/memories", None, KEY, 422),
        ("/search", {"query": "x"}, KEY, 422), ("/search", {"query": "", "user_id": "ann"}, KEY, 422),
        ("/memories", b"{", KEY, 422), ("/docs", None, KEY, 404),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(mem0: int, path: str, body: object, token: str, status: int) -> None:
    assert ask(mem0, path, body, token)[0] == status
