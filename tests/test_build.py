"""Images that are built: their names follow what they are made of, and no registry is asked for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gpufleet.errors import Refused
from gpufleet.plan import plan, want
from gpufleet.plan.fetch import UNPACKED
from gpufleet.render import render
from gpufleet.schema import Disk, Forecast, HostFacts, Plan, Service, read
from tests.conftest import CASES, cases
from tests.test_cli import page
from tests.test_forecast import foretold, fresh
from tests.test_planner import facts

WORD = st.text("abc1.-", min_size=1, max_size=3).map(lambda text: f"x{text}")


def planned(role: str = "cpu", facts_: HostFacts | None = None, **data: Any) -> Plan:
    told = {"stack": "built", "catalog": str(CASES / "catalog"), **data}
    return plan("host", want(["all", role], told), facts_ or facts({"cards": []}))


@pytest.mark.parametrize("case", cases("builds").values(), ids=cases("builds").keys())
def test_a_build_that_cannot_be_is_refused_in_one_line(case: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(Service, {"title": "x", "port": 80, **case["service"]}, "x")
    assert case["line"] in str(refused.value.problems[0])
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({}, "services/notes/build -> images/notes: is not in the catalog; use one of: "),
        ({"README": b"x"}, "services/notes/build -> images/notes: has no Dockerfile; add it"),
        ({"Dockerfile": b"FROM a", "logo": b"\x89PNG\xff"}, "images/notes/logo: cannot be read: is not utf-8 text"),
    ],
)
def test_a_folder_that_cannot_be_built_is_refused(files: dict[str, bytes], line: str, tmp_path: Path) -> None:
    told = {
        "services/notes.yaml": (CASES / "catalog/services/notes.yaml").read_bytes(),
        "stacks/built.yaml": b"{title: x, services: {notes: {service: notes}}}",
        **{f"images/notes/{name}": text for name, text in files.items()},
    }
    for path, text in told.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text)
    with pytest.raises(Refused) as refused:
        planned(catalog=str(tmp_path))
    assert line in str(refused.value.problems[0])


def test_what_is_built_is_foretold_and_not_pulled() -> None:
    have = facts({"cards": []})
    found = planned(facts_=have)
    outlook = foretold(found, have, fresh(have))
    assert [(b.source, b.services) for b in outlook.builds] == [
        ("images/notes", ("notes", "again")),
        ("https://github.com/example/Some-App at 0123456789ab", ("source",)),
    ]
    assert [pull.services for pull in outlook.images] == [("web",)]
    told = " ".join(page(Forecast(hosts={"host": outlook}), width=160).split())
    assert "build notes on the host, of images/notes; pulls 50 MB, for notes and again" in told
    assert f"pull {found.pulls[0].image} " in told
    there = have.engine.model_copy(update={"images": tuple(b.image for b in found.builds)})
    have = have.model_copy(update={"engine": there})
    assert foretold(found, have, fresh(have)).builds == ()


def test_no_registry_is_asked_for_it() -> None:
    plain, mirrored = planned(), planned(mirrors={"registry": "mirror.lan:5000", "github": "http://mirror.lan/git/"})
    assert [b.image for b in plain.builds] == [b.image for b in mirrored.builds]
    assert mirrored.builds[1].url.startswith("http://mirror.lan/git/example/Some-App/archive/0123456789abcdef")
    services = yaml.safe_load(render(mirrored).files["compose.yaml"])["services"]
    assert {n: s.get("pull_policy") for n, s in services.items()} == {
        "notes": "never", "again": "never", "source": "never", "web": None,
    }  # fmt: skip
    assert services["notes"]["image"] == services["again"]["image"] == plain.builds[0].image
    assert services["web"]["image"].startswith("mirror.lan:5000/")


def test_its_files_are_in_the_release() -> None:
    files, folder = render(planned()).files, CASES / "catalog/images/notes"
    mine = {path.removeprefix(".images/notes/"): text for path, text in files.items() if path.startswith(".images/")}
    assert mine == {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_card_has_an_image_of_its_own() -> None:
    cpu, card = planned().builds[1], planned("single_gpu", facts({"cards": [{"mib": 24564}]})).builds[1]
    assert (cpu.target, card.target) == ("runtime", "cuda")
    assert cpu.image.startswith("gpufleet.local/some-app:")
    assert cpu.image != card.image


def test_a_repository_may_have_a_dockerfile_of_the_catalog() -> None:
    found = plan("host", want(["all", "cpu"], {"stack": "predict-otron-ha"}), facts({"cards": []}))
    (build,) = found.builds
    assert build.services == ("inference", "embeddings", "predict-otron")
    assert build.source.startswith("https://github.com/geoffsee/predict-otron-9001 at ")
    assert build.url.endswith(".tar.gz")
    assert [*build.files] == ["Dockerfile"]
    assert f"{build.folder}/Dockerfile" in render(found).files


@pytest.mark.parametrize("free", [100, 300])
def test_what_it_pulls_needs_room(free: int) -> None:
    disk = Disk(path="/srv", device="8:1", total_mib=9999, free_mib=2048 + free, writable=True)
    found = planned(facts_=facts({"cards": []}).model_copy(update={"disks": (disk,)}))
    lacks = free < UNPACKED * 50_000_000 // (1 << 20)
    assert [f.id for f in found.blocked] == ["HOST-DISK"] * lacks


@given(one=st.dictionaries(WORD, WORD, max_size=2), other=st.dictionaries(WORD, WORD, max_size=2))
def test_another_input_is_another_image_and_the_same_is_not(one: dict[str, str], other: dict[str, str]) -> None:
    """Text by path."""
    folder = CASES / "catalog/images/notes"
    wanted = want(["all", "cpu"], {"stack": "built", "catalog": str(folder.parent.parent)})
    service = wanted.services[0]
    names = []
    for files in (one, other, one):
        object.__setattr__(service, "sources", {"notes": files})
        names.append(plan("host", wanted, facts({"cards": []})).builds[0].image)
    assert names[0] == names[2]
    assert (names[0] == names[1]) == (one == other)
