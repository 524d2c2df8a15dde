"""How a chart's pods fetch models: gated ones with the token of the Secret, which nobody else sees."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from gpufleet.cli.export import FETCH
from gpufleet.render.helm import chart
from tests.charts import planned, templated, written
from tests.fetching import SIZE, TOKEN, Bench, content, told
from tests.hub import publish
from tests.test_models import COMMIT, SHA

MODEL = {"repo": "acme/gated", "revision": COMMIT, "file": "m.gguf", "sha256": SHA[7:], "bytes": 7}


@pytest.mark.parametrize("gated", [True, False])
def test_a_gated_model_is_fetched_with_the_secrets_token(gated: bool, helm: Path, tmp_path: Path) -> None:
    plan = planned("starter", "cpu", models={"chat": {**MODEL, "gated": gated}})
    folder = written(chart(plan, FETCH.read_text()), tmp_path / "chart")
    options = ("--set", f"given.HF_TOKEN={TOKEN}") if gated else ()
    pods = [o["spec"]["template"]["spec"] for o in templated(helm, folder, *options) if "template" in o.get("spec", {})]
    env = [c.get("env", []) for pod in pods for c in pod.get("initContainers", ()) if c["name"] == "models"]
    key = {"secretKeyRef": {"name": "starter-secrets", "key": "HF_TOKEN"}}
    assert env == [[{"name": "HF_TOKEN", "valueFrom": key}] if gated else []]
    others = [c for pod in pods for c in pod["containers"] if "HF_TOKEN" in str(c)]
    assert not others


def fetching(bench: Bench, **more: str) -> dict[str, Any]:
    """What the script is told."""
    f = bench.wanted("m.gguf", content("m.gguf"), repo="o/gated")
    path = str(bench.models / "m.gguf")
    told = {"path": path, "url": f["urls"][0], "bytes": str(SIZE), "digest": f["digest"], "hub": "yes", **more}
    return {"args": ["sh", "-eu", str(FETCH)], "env": {"PATH": os.environ["PATH"], **told}}


def test_the_token_is_given_to_the_hub_alone_and_seen_by_nobody(bench: Bench) -> None:
    store = bench.hub.url.replace("127.0.0.1", "localhost")
    publish(bench.hub.root, "o/gated", {"m.gguf": content("m.gguf")}, gated=True, allowed=[TOKEN], cdn=store)
    bench.hub.faults.add("slow", "/cdn/*", rate=2_000_000)
    with subprocess.Popen(**fetching(bench, HF_TOKEN=TOKEN), stdout=-1, stderr=subprocess.STDOUT) as run:
        seen, end = "", monotonic() + 1
        while monotonic() < end:
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen += file.read_text(errors="replace")
                except OSError:
                    continue
        said, _ = run.communicate()
    assert (run.returncode, said) == (0, b"")
    assert "m.gguf" in seen
    assert TOKEN not in seen
    assert bench.seen == {"m.gguf": told(content("m.gguf"))}
    assert [request.token for request in bench.hub.asked("/cdn/*")] == [False], "where the Hub leads to"
    elsewhere = fetching(bench, HF_TOKEN=TOKEN, hub="")
    (bench.models / "m.gguf").unlink()
    assert subprocess.run(**elsewhere, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("token", ["", "hf_another"])
def test_a_refusal_is_one_line_that_says_what_helps(bench: Bench, token: str) -> None:
    run = subprocess.run(**fetching(bench, HF_TOKEN=token), capture_output=True, text=True, check=False)
    url = f"{bench.hub.url}/o/gated"
    assert run.returncode == 1
    assert run.stderr.startswith(f"models/m.gguf: {url}/resolve/")
    assert run.stderr.endswith(f"has accepted the terms at {url}; set given.HF_TOKEN\n")
    assert len(run.stderr.splitlines()) == 1
