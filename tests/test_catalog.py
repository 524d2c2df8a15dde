"""A lint over every entry of the catalog, ours and by the same rules a user's."""

from __future__ import annotations

import re

import pytest

from gpufleet.catalog import OURS, Catalog
from gpufleet.errors import Refused
from gpufleet.plan.options import check
from gpufleet.render.files import TEMPLATES
from gpufleet.schema import Licence, Service, read

CATALOG = Catalog()
SERVICES = CATALOG.names("services")


def test_every_entry_can_be_read() -> None:
    read = {"services": CATALOG.service, "models": CATALOG.model, "stacks": CATALOG.stack}
    for kind, reader in read.items():
        assert [reader(name) for name in CATALOG.names(kind)], kind


@pytest.mark.parametrize("name", SERVICES)
def test_service(name: str) -> None:
    service = CATALOG.service(name)
    assert service.gpu != "none" or service.accelerators == ("cpu",), "without a GPU there is one image"
    assert service.memory_mib >= 64
    assert all((TEMPLATES / f.template).is_file() for f in service.files)
    for build in service.build.values():
        assert build.context or build.dockerfile in CATALOG.image(build.name)
    assert _secrets_asked(service) <= {s.name for s in service.secrets}, "every ${NAME} is a declared secret"
    assert service.gate is None or service.gate.path.startswith("/")


@pytest.mark.parametrize("name", SERVICES)
def test_every_option_that_is_no_number_says_what_it_takes(name: str) -> None:
    service = CATALOG.service(name)
    told = {key: value for key, value in service.options.items() if not isinstance(value, int)}
    assert service.takes.keys() == told.keys()
    for key, value in told.items():
        check(f"{name}/{key}", value, type(value)(), service.takes[key])  # its default, as if it was given


@pytest.mark.parametrize(
    ("takes", "line"),
    [
        ({"lgo": "word"}, "is not accepted; there is no option 'lgo': did you mean 'log'?"),
        ({"log": "adress"}, "s/takes/log: 'adress' is not accepted; did you mean 'address'?"),
        ({"log": {"a": "flagg"}}, "did you mean 'flag'?"),
        ({"log": [0]}, "write the words that may be, in quotes"),
    ],
)
def test_what_an_option_takes_is_a_form(takes: object, line: str) -> None:
    with pytest.raises(Refused, match=re.escape(line)):
        read(Service, {"title": "x", "image": {"cpu": "x"}, "port": 1, "options": {"log": "a"}, "takes": takes}, "s")


def _secrets_asked(service: Service) -> set[str]:
    """Names in ``${NAME:?}``; any other form would let a container start with an empty password."""
    found = [part for v in service.environment.values() for part in re.findall(r"\$\{[^}]*\}", v)]
    assert all(re.fullmatch(r"\$\{[A-Z][A-Z0-9_]*:\?\}", part) for part in found), found
    return {part[2:-3] for part in found}


def test_no_default_secret() -> None:
    for path in OURS.rglob("*.yaml"):
        text = path.read_text().lower()
        assert not [w for w in ("changeme", "sk-1234", "admin123", "password123") if w in text], path


def test_every_model_has_its_checksum_and_a_licence() -> None:
    for name in CATALOG.names("models"):
        model = CATALOG.model(name)
        assert model.licence
        # A picture or a voice keeps no KV cache.
        keeps = (model.file or "").endswith(".gguf") or ":" in (model.pull or "")
        assert model.architecture or not keeps, name
        assert model.bytes > 1 << 20


def test_a_licence_to_accept_has_one_name() -> None:
    programs = [CATALOG.service(name).licence for name in SERVICES]
    models = [CATALOG.model(name).licence for name in CATALOG.names("models")]
    found = {licence for licence in (*programs, *models) if isinstance(licence, Licence)}
    assert found
    assert len({licence.name for licence in found}) == len({licence.page for licence in found}) == len(found)
