"""Compose's own program reads what is rendered: every stack on every card, role, tier and mode of the cases."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from gpufleet.render import render
from tests.lab.wheels import compose
from tests.test_stacks import STACKS, planned

pytestmark = pytest.mark.lab
RUN = {name: case for name, case in STACKS.items() if "blocks" not in case}


@pytest.mark.parametrize("case", RUN.values(), ids=RUN.keys())
def test_compose_has_nothing_to_say(case: dict[str, Any], tmp_path: Path) -> None:
    plan = planned(case)
    (tmp_path / "compose.yaml").write_bytes(render(plan).files["compose.yaml"])
    (tmp_path / ".env").write_text("".join(f"{secret.name}=word\n" for secret in plan.secrets))
    done = subprocess.run([compose(), "config", "-q"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
