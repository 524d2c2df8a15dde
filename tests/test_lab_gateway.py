"""LiteLLM itself reads what it is told of cognitive-silo's models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpufleet.render import render
from tests.lab.images import tree
from tests.lab.shell import run
from tests.lab.trees import overlay
from tests.test_stacks import STACKS, planned

pytestmark = pytest.mark.lab
READ = """
import asyncio, json, litellm
from litellm.proxy.proxy_server import ProxyConfig
router, models, _ = asyncio.run(ProxyConfig().load_config(router=None, config_file_path="/config.yaml"))
told = {m["model_name"]: [m["litellm_params"]["model"], m.get("model_info", {}).get("mode", "chat")] for m in models}
print(json.dumps({"models": told, "names": router.get_model_names(), "fallbacks": router.fallbacks}))
"""


@pytest.mark.parametrize("name", ["on the card that it was made for", "with a provider to fall back to"])
def test_litellm_knows_all_models(name: str, tmp_path: Path) -> None:
    case = STACKS[f"cognitive-silo {name}"]
    with overlay(tree("ghcr.io/berriai/litellm"), tmp_path) as root:
        (root / "config.yaml").write_bytes(render(planned(case)).files["litellm/config.yaml"])
        (root / "read.py").write_text(READ)
        told = {"PYTHONPATH": "/opt/litellm", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "FALLBACK_API_KEY": "sk-x",
                "REDIS_PASSWORD": "x", "LITELLM_MASTER_KEY": "sk-x", "HOME": "/tmp"}  # fmt: skip
        words = [f"{key}={value}" for key, value in told.items()]
        found: dict[str, Any] = json.loads(
            run("unshare", "-n", "chroot", root, "env", *words, "python3", "/read.py").splitlines()[-1]
        )
    modes = {"nomic-embed-text": "embedding", "whisper-turbo": "audio_transcription", "kokoro-tts": "audio_speech"}
    assert found["models"] == {n: [model, modes.get(n, "chat")] for n, model in case["gateway"].items()}
    assert sorted(found["names"]) == sorted(case["gateway"])
    assert (found["fallbacks"] or []) == case.get("fallbacks", [])
