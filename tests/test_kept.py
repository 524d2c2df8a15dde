"""Files that others write, too: what a merge keeps. `python -m tests.test_kept` writes the recorded results anew."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gpufleet.errors import Refused
from gpufleet.plan.merge import merged, patched
from gpufleet.render import render
from gpufleet.schema import HostFacts, KeptFile, Plan
from tests.conftest import CASES, cases, planned
from tests.handwritten import KEYS, texts
from tests.test_forecast import converged, foretold

KEPT = sorted((CASES / "kept").iterdir())
SCALARS = st.sampled_from([None, True, False, 0, 1, 1.5, "", "x", "off", "no: t", "# t", "two\nlines", " t ", "ü", "1"])
OURS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(st.sampled_from(KEYS), st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), max_size=4),
    lambda inner: st.dictionaries(st.sampled_from(KEYS), st.one_of(SCALARS, inner), max_size=4),
    max_leaves=8,
)


def _merged(folder: Path) -> tuple[Path, str, str]:
    """Where the recorded result is, that result's text as it is now, and our keys."""
    before = next(folder.glob("before.*"))
    ours = before.with_stem("ours").read_text()
    new = merged(before.name, before.read_text(), ours, "ours")
    return before.with_stem("after"), new.text if new else before.read_text(), ours


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_a_file_becomes_the_recorded_one_and_stays_it(folder: Path) -> None:
    after, text, ours = _merged(folder)
    assert text == after.read_text()
    assert merged(after.name, text, ours, "ours") is None


@given(text=texts(), ours=OURS)
def test_only_our_keys_change(text: str, ours: dict[str, Any]) -> None:
    """What is said is what both say; comments stay, in their order; the second merge does nothing."""
    have, told = yaml.safe_load(text) or {}, yaml.safe_dump(ours)
    try:
        wanted = patched(have, ours, "f")
    except Refused:
        with pytest.raises(Refused, match=r"is no mapping of keys|has keys of its own"):
            merged("f.yaml", text, told, "ours")
        return
    new = merged("f.yaml", text, told, "ours")
    assert (new is None) == (wanted is have)
    after = new.text if new else text
    assert repr(_sorted(yaml.safe_load(after) or {})) == repr(_sorted(wanted))
    assert merged("f.yaml", after, told, "ours") is None
    assert [c for c in _comments(after) if "item" not in c] == [c for c in _comments(text) if "item" not in c]


@given(text=texts(), ours=OURS)
def test_lines_without_our_keys_stay_to_the_byte(text: str, ours: dict[str, Any]) -> None:
    """Ours are other keys than theirs: every line of theirs stays, ours come between."""
    ours = {f"our {key}": value for key, value in ours.items()}
    new = merged("f.yaml", text, yaml.safe_dump(ours), "ours")
    lines = iter((new.text if new else text).splitlines())
    assert all(line in lines for line in text.splitlines())


@given(theirs=OURS, ours=OURS)
def test_json_keeps_foreign_keys(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    try:
        new = merged("f.json", json.dumps(theirs), json.dumps(ours), "ours")
    except Refused:
        return
    after = json.loads(new.text) if new else theirs
    assert after == patched(theirs, ours, "f")
    assert [k for k in after if k in theirs] == [*theirs]
    assert new is None or merged("f.json", new.text, json.dumps(ours), "ours") is None


@given(text=st.text(alphabet="ab:- \n#'\"|>[]{}&*!,\t?0", max_size=40), ours=OURS)
def test_any_text_is_merged_or_refused_in_lines(text: str, ours: dict[str, Any]) -> None:
    try:
        new = merged("f.yaml", text, yaml.safe_dump(ours), "ours")
    except Refused as refused:
        told = [str(p) for p in refused.problems]
    else:
        told = ["f.yaml; "] if new is None or merged("f.yaml", new.text, yaml.safe_dump(ours), "ours") is None else []
    assert told
    assert all(line.startswith("f.yaml") and "; " in line for line in told)


@pytest.mark.parametrize("case", cases("merge").values(), ids=cases("merge").keys())
def test_what_cannot_be_merged_is_refused_in_one_line(case: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        merged(case.get("file", "f.yaml"), case["text"], case["ours"], "templates/f.j2")
    assert [str(p) for p in refused.value.problems] == [case["says"]]


# In plans


def app(folder: Path, facts: HostFacts | None = None, **changes: Any) -> Plan:
    """The plan of one program with a kept file, by a catalog of the user's own."""
    entry = {
        "title": "app",
        "image": {"cpu": "docker.io/library/redis:8.2.1"},
        "port": 6379,
        "volumes": [{"source": "app", "target": "/config", "uid": 7, "gid": 7}],
        "files": [{"template": "llm.yaml.j2", "target": "/config/llm.yaml", "keep": True}],
        "healthcheck": {"test": ["CMD", "true"]},
    }
    for path, text in (
        ("services/app.yaml", yaml.safe_dump({**entry, **changes})),
        ("one.yaml", yaml.safe_dump({"title": "one", "services": {"app": {"service": "app"}}})),
        ("templates/llm.yaml.j2", "backends: {ours: {url: http://{{ service }}:{{ peers.app.port }}}}\n"),
    ):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    return planned(facts or HostFacts(), "cpu", {"catalog": str(folder), "stack": str(folder / "one.yaml")})


FILE = "/srv/gpufleet/app/llm.yaml"
RIGHT = "backends: {ours: {url: http://app:6379}, theirs: {key: sk-1}}\n"


def test_a_kept_file_is_in_its_volume_and_mounted_with_it(tmp_path: Path) -> None:
    service = yaml.safe_load(render(app(tmp_path)).files["compose.yaml"])["services"]["app"]
    assert [(v["source"], v["target"]) for v in service["volumes"]] == [("/srv/gpufleet/app", "/config")]
    assert service["labels"]["gpufleet.files"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, [f"{FILE}: is not there"]),
        (RIGHT, []),
        (f"# mine\n{RIGHT}more: 1\n", []),
        (RIGHT.replace("app:6379", "app:1"), [f"{FILE}: backends/ours/url not as planned"]),
        ("backends: {theirs: {key: sk-1}}\n", [f"{FILE}: backends/ours not as planned"]),
    ],
)
def test_only_our_keys_are_drift(
    tmp_path: Path, text: str | None, says: list[str], hosts: dict[str, HostFacts]
) -> None:
    """Told by name, and never with a value; only then is the service made anew."""
    plan = app(tmp_path, hosts["cpu"])
    state = converged(plan, hosts["cpu"]).model_copy(
        update={"kept": {} if text is None else {FILE: KeptFile(text=SecretStr(text))}}
    )
    found = foretold(plan, hosts["cpu"], state)
    assert [c.what for c in found.changes] == says
    assert [c.action for c in found.containers] == ["recreate"] * len(says)
    assert "sk-1" not in found.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"volumes": []}, "add a volume at /config: that is where /config/llm.yaml is kept"),
        (
            {"files": [{"template": "x.j2", "target": "/config/a.toml", "keep": True}]},
            "/config/a.toml can be kept if it ends in .yaml, .yml or .json",
        ),
    ],
)
def test_a_file_that_cannot_be_kept_is_refused(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(Refused, match=re.escape(line)):
        app(tmp_path, **changes)


def test_a_malformed_file_is_a_finding_with_its_line() -> None:
    kept = {FILE: KeptFile(text=SecretStr("a: [\n")), "/x.json": KeptFile(why="is a fifo, not a file")}
    found = [f for f in planned(HostFacts(kept=kept)).findings if f.id == "HOST-FILE"]
    assert [(f.severity, f.where) for f in found] == [("blocks", f"{FILE}:2:1"), ("blocks", "/x.json")]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted(((repr(k), _sorted(v)) for k, v in value.items()), key=lambda pair: pair[0])
    return [_sorted(v) for v in value] if isinstance(value, list) else value


def _comments(text: str) -> list[str]:
    return [f"{word} {line.split()[0]}" for line in text.splitlines() for word in ("note", "item")
            if f"# {word} " in line for line in [line.split(f"# {word} ")[1]]]  # fmt: skip


if __name__ == "__main__":
    for case in KEPT:
        path, result, _ = _merged(case)
        path.write_text(result)
