"""Who of a run fetches what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gpufleet.deploys.spread import own, saw
from gpufleet.schema import HostFacts, HostState
from tests.conftest import planned
from tests.test_models import COMMIT


class Run:
    """As far as it is looked at."""


def model(file: str) -> dict[str, Any]:
    return {"repo": "o/m", "revision": COMMIT, "file": file, "sha256": "1" * 64, "bytes": 7}


@pytest.mark.parametrize("there", ["a.gguf", "z.gguf"])
def test_who_has_the_bytes_under_another_name_gets_them_alone(there: str, hosts: dict[str, HostFacts]) -> None:
    """By a link; a run of one host asks no other."""
    plans = [planned(hosts["cpu"], "cpu", {"models": {"chat": model(file)}}) for file in ("a.gguf", "z.gguf")]
    both = plans[0].model_copy(update={"downloads": (*plans[0].downloads, *plans[1].downloads)})
    run, digest = Run(), "sha256:" + "1" * 64
    one, two = (SimpleNamespace(name=name, state=run) for name in ("one", "two"))
    saw(one, both, HostState(models={there: digest}))  # type: ignore[arg-type]
    saw(two, both, HostState())  # type: ignore[arg-type]
    missing = [d for d in both.downloads if not d.path.endswith(there)]
    assert list(own(one, missing)) == missing  # type: ignore[arg-type]
    assert own(two, both.downloads) == (), "it takes them from the other"  # type: ignore[arg-type]
