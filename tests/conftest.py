"""What tests share: the hosts of the cases, and the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

from gpufleet.plan import Wanted, plan, want
from gpufleet.schema import HostFacts, Plan, read

# Speed is measured in bench/, never asserted in a test. The same examples in every run: a failure can be met again.
settings.register_profile("gpufleet", deadline=None, derandomize=True, max_examples=400)
settings.load_profile("gpufleet")
CASES = Path(__file__).parent / "cases"


def cases(name: str) -> dict[str, Any]:
    """A file of cases by their names."""
    return dict(yaml.safe_load((CASES / f"{name}.yaml").read_text()))


@pytest.fixture(scope="session")
def hosts() -> dict[str, HostFacts]:
    """Facts by host name."""
    return {name: read(HostFacts, facts, f"hosts/{name}") for name, facts in cases("hosts").items()}


def wanted(role: str = "cpu", data: dict[str, Any] | None = None) -> Wanted:
    """What a host of ``role`` with ``data`` shall run."""
    return want(["all", role], data or {})


def planned(facts: HostFacts, role: str = "cpu", data: dict[str, Any] | None = None) -> Plan:
    """The plan of a host."""
    return plan("host", wanted(role, data), facts)
