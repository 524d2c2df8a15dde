"""A user's daemon.json with our keys in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gpufleet.errors import Refused
from gpufleet.plan.daemon import merged

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=12,
)
WANTED: dict[str, Any] = {"features": {"cdi": True}, "runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}


@given(st.dictionaries(st.sampled_from(["features", "runtimes", "debug", "é"]) | st.text(max_size=9), JSON, max_size=6))
def test_merging_keeps_every_foreign_key_and_is_done_once(have: dict[str, Any]) -> None:
    assume(all(isinstance(have.get(key, {}), dict) for key in WANTED))
    assume(isinstance(have.get("runtimes", {}).get("nvidia", {}), dict))
    new = merged(json.dumps(have), WANTED)
    told = have if new is None else json.loads(new)
    assert {k: v for k, v in told.items() if k not in WANTED} == {k: v for k, v in have.items() if k not in WANTED}
    for key, value in WANTED.items():
        assert told[key].items() >= value.items()
        if isinstance(have.get(key), dict):
            assert told[key].items() >= {k: v for k, v in have[key].items() if k not in value}.items()
    assert merged(json.dumps(told), WANTED) is None


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@given(st.text(max_size=40).filter(lambda text: text.strip() and not _is_object(text)))
def test_what_is_no_json_object_is_refused_never_repaired(text: str) -> None:
    with pytest.raises(Refused, match=r"daemon\.json"):
        merged(text, WANTED)


@pytest.mark.parametrize("have", [{"features": ["cdi"]}, {"features": "cdi"}, {"runtimes": {"nvidia": "x"}}])
def test_what_the_user_has_as_something_else_is_refused(have: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"is no mapping of keys"):
        merged(json.dumps(have), WANTED)


@pytest.mark.parametrize("text", [None, "", " \n", "{}"])
def test_no_file_is_an_empty_one(text: str | None) -> None:
    assert json.loads(merged(text, {"a": 1}) or "") == {"a": 1}
    assert merged(text, {}) is None
