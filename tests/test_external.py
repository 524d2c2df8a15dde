"""External services: whatever is external, nothing of it is rendered, and what needs it has its URL."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gpufleet.plan import plan, want
from gpufleet.plan.external import HOST, inside
from gpufleet.render import render
from tests.conftest import CASES
from tests.test_planner import facts

NAMES = ("searxng", "ollama", "vision", "ollama-research", "vllm", "app")
URLS = {"host": "http://127.0.0.1:{}", "elsewhere": "http://gpu9.lan:{}/x"}


def services(external: dict[str, str], mode: str) -> dict[str, Any]:
    data = {"stack": "peregrine", "catalog": str(CASES / "catalog"), "dual_gpu_mode": mode, "external": external}
    planned = plan("host", want(["all", "dual_gpu"], data), facts({"cards": [{"mib": 24564}, {"mib": 24564}]}))
    assert not planned.blocked
    assert {book.device for book in planned.ledgers for line in book.lines if line.service in external} == set()
    return dict(yaml.safe_load(render(planned).files["compose.yaml"])["services"])


@settings(max_examples=60)
@given(
    chosen=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(URLS)), max_size=3),
    mode=st.sampled_from(["ollama", "vllm", "mixed"]),
)
def test_what_is_external_leaves_only_its_url(chosen: dict[str, str], mode: str) -> None:
    external = {name: URLS[where].format(9000 + n) for n, (name, where) in enumerate(sorted(chosen.items()))}
    before, after = services({}, mode), services(external, mode)
    assert after.keys() == before.keys() - external.keys()
    for name, service in after.items():
        assert service.get("depends_on", {}).keys() == before[name].get("depends_on", {}).keys() - external.keys()
        used = {url for url in external.values() if inside(url) in str(service)}
        assert used == ({external[n] for n in ("ollama", "searxng") if n in external} if name == "app" else set())
        assert ("extra_hosts" in service) == any(HOST in inside(url) for url in used)
