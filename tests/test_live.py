"""Live files: which their service reads anew by itself, so that a changed one re-creates no container."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.errors import Refused
from gpufleet.render import render
from gpufleet.render.helm import chart
from gpufleet.schema import HostFacts, Plan
from tests.conftest import planned
from tests.declared import write
from tests.test_forecast import converged, foretold

LIVE = {"template": "list.j2", "target": "/etc/app/live/list", "live": True}
PLAIN = {"template": "list.j2", "target": "/etc/app/plain"}


def app(folder: Path, text: str = "one", files: Any = (LIVE,), facts: HostFacts | None = None, **entry: Any) -> Plan:
    """The plan of one program, by a catalog of the user's own."""
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates/list.j2").write_text(text)
    image, check = {"cpu": "docker.io/library/redis:8.2.1"}, {"test": ["CMD", "true"]}
    told = {"title": "app", "image": image, "port": 6379, "healthcheck": check, "files": [*files], **entry}
    write(folder / "services", "app", told)
    write(folder, "one", {"title": "one", "services": {"app": {"service": "app"}}})
    return planned(facts or HostFacts(), "cpu", {"catalog": str(folder), "stack": str(folder / "one.yaml")})


def test_its_folder_is_mounted_and_what_is_in_it_is_no_part_of_the_container(tmp_path: Path) -> None:
    before, after = (render(app(tmp_path, text, [PLAIN, LIVE])) for text in ("one", "two"))
    mounts = yaml.safe_load(before.files["compose.yaml"])["services"]["app"]["volumes"]
    assert [(v["source"], v["target"], v["read_only"]) for v in mounts] == [
        ("/srv/gpufleet/current/app/plain", "/etc/app/plain", True),
        ("/srv/gpufleet/releases/.live/app", "/etc/app/live", True),
    ]
    assert before.files["app/list"] == b"one"
    one, two = (render(app(tmp_path, text)) for text in ("one", "two"))
    assert one.files["compose.yaml"] == two.files["compose.yaml"]
    assert one.id != two.id
    assert before.files["compose.yaml"] != after.files["compose.yaml"]


@pytest.mark.parametrize(
    ("live", "says"),
    [
        ({}, ["app/list"]),
        ({"app/list": "another's digest"}, ["app/list"]),
        ({"app/list": None, "gone/list": "any"}, ["gone/list"]),
        ({"app/list": None}, []),
    ],
)
def test_what_is_not_as_planned_is_foretold_and_no_container(
    tmp_path: Path, live: dict[str, str | None], says: list[str], hosts: dict[str, HostFacts]
) -> None:
    plan = app(tmp_path, facts=hosts["cpu"])
    state = converged(plan, hosts["cpu"])
    there = {path: digest or state.live[path] for path, digest in live.items()}
    found = foretold(plan, hosts["cpu"], state.model_copy(update={"live": there}))
    assert [c.what for c in found.changes] == [f"{path}: is not as planned where it is read" for path in says]
    assert not found.containers


def test_a_changed_release_is_mended_without_a_container(tmp_path: Path, hosts: dict[str, HostFacts]) -> None:
    """The file of the release is not the one that is read."""
    plan = app(tmp_path, facts=hosts["cpu"])
    state = converged(plan, hosts["cpu"])
    found = foretold(plan, hosts["cpu"], state.model_copy(update={"release": {**state.release, "app/list": "another"}}))
    assert [c.what for c in found.changes] == ["app/list: is not as it was written"]
    assert not found.containers


def test_in_a_chart_it_is_a_file_like_all_others(tmp_path: Path) -> None:
    files = chart(app(tmp_path), "")
    assert files["files/app/list"] == "one"
    assert "/etc/app/live/list" in files["templates/services/app.yaml"]
    assert ".live" not in files["templates/services/app.yaml"]


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"files": [LIVE, {**LIVE, "target": "/etc/app/two/list"}]}, "put /etc/app/live/list into one folder"),
        ({"files": [{**LIVE, "target": "/list"}]}, "put /list into one folder with all that is `live`, below another"),
        ({"files": [LIVE, {**PLAIN, "target": "/etc/app/live/more"}]}, "move /etc/app/live/more: where files are"),
        ({"volumes": [{"source": "data/a", "target": "/etc/app/live"}]}, "move /etc/app/live: where files are `live`"),
        ({"host_paths": [{"source": "/proc", "target": "/etc/app/live/p"}]}, "move /etc/app/live/p: where files are"),
        (
            {
                "files": [{**LIVE, "target": "/etc/app/a.yaml", "keep": True}],
                "volumes": [{"source": "data/a", "target": "/etc/app"}],
            },
            "/etc/app/a.yaml is `keep`, which gpufleet does not write alone, or `live`: choose one",
        ),
    ],
)
def test_one_that_could_not_be_replaced_is_refused(tmp_path: Path, entry: dict[str, Any], line: str) -> None:
    with pytest.raises(Refused, match=re.escape(line)):
        app(tmp_path, **entry)
