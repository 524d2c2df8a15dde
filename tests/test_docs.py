"""Docs are true: the reference is the schema's; `python -m tests.test_docs` writes it anew."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpufleet.catalog import OURS, Catalog, findings
from gpufleet.deploys.fleet import own_data
from gpufleet.plan import ROLES, roles, want
from gpufleet.plan.knobs import Memory
from gpufleet.render import render
from gpufleet.schema import (
    Bundle,
    Forecast,
    HostFacts,
    HostPath,
    Mode,
    Model,
    Noun,
    Report,
    Service,
    Settings,
    Stack,
    StackService,
    Step,
    Stock,
    Tier,
    read,
)
from gpufleet.schema.image import Build
from gpufleet.schema.licence import Licence
from gpufleet.schema.model import Architecture, Shape
from gpufleet.schema.service import File, Gate, Healthcheck, OnCpu, Secret, Volume
from gpufleet.schema.settings import Mirrors
from tests import charts
from tests.conftest import planned

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference.md"
SCHEMAS: dict[str, type[Noun]] = {"forecast": Forecast, "models": Stock, "bundle": Bundle, "report": Report}
FINDINGS = ROOT / "docs" / "findings"
PARTS: list[tuple[str, list[type[Noun]]]] = [
    ("Settings", [Settings, Mirrors]),
    ("Stacks", [Stack, StackService, Tier, Mode]),
    ("Services", [Service, Build, Volume, HostPath, File, Healthcheck, Gate, Step, Secret, OnCpu, Memory]),
    ("Models", [Model, Licence, Architecture, Shape]),
]


def reference() -> str:
    """The reference as Markdown."""
    lines = ["# Reference", "", "Generated from the schema: `python -m tests.test_docs`.", ""]
    for title, nouns in PARTS:
        lines += [f"## {title}", ""]
        for noun in nouns:
            about = " ".join((noun.__doc__ or "").split())
            lines += [f"### {noun.__name__}", "", about, "", "| key | default | meaning |", "| --- | --- | --- |"]
            lines += [_row(name, field) for name, field in noun.model_fields.items()] + [""]
    catalog = Catalog()
    lines += ["## In the catalog", ""]
    lines += [
        f"- {kind}: {', '.join(f'`{n}`' for n in catalog.names(kind))}" for kind in ("stacks", "services", "models")
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, field: Any) -> str:
    default = "required" if field.is_required() else f"`{_plain(field.default)}`"
    return f"| `{name}` | {default} | {field.description or ''} |"


def _plain(value: Any) -> Any:
    if isinstance(value, Noun):
        return value.to_json()
    return value if value is None or isinstance(value, str | int | bool | list | dict) else str(value)


def test_reference_is_the_schemas() -> None:
    assert REFERENCE.read_text() == reference()


def schemas() -> dict[Path, str]:
    """Of the JSON that commands print, by the file that is published."""
    told = {name: kind.model_json_schema(mode="serialization") for name, kind in SCHEMAS.items()}
    return {ROOT / "docs" / f"{name}.schema.json": json.dumps(schema, indent=1) + "\n" for name, schema in told.items()}


def test_the_published_schemas_are_the_reports() -> None:
    assert {path: path.read_text() for path in schemas()} == schemas()


def blocks(language: str) -> list[tuple[str, str]]:
    """(file, block) of all fenced blocks of a language in the docs."""
    docs = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "stacks").glob("*.md"))]
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *docs]
    found = ((f.name, m) for f in files for m in re.findall(rf"```{language}\n(.*?)```", f.read_text(), re.DOTALL))
    return list(found)


@pytest.mark.parametrize(("file", "block"), [b for b in blocks("python") if "import" not in b[1]])
def test_settings_in_the_docs_are_accepted(
    file: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "catalog").mkdir()
    monkeypatch.chdir(tmp_path)
    data: dict[str, Any] = {}
    exec(block, {}, data)
    data = {k: v for k, v in data.items() if not k.startswith("_")}
    if Path(file).stem in Catalog().names("stacks"):
        data.setdefault("stack", Path(file).stem)
    if data.get("stack", "").endswith(".yaml"):
        data["stack"] = "starter"
    groups = {name: data.pop(name) for name in (*ROLES, *roles.PARTS) if name in data}  # an inventory has such
    hosts = [(host, {}) if isinstance(host, str) else host for some in groups.values() for host in some]
    for name, told in hosts or [("", data)]:
        mine = [group for group, some in groups.items() if any(name in host for host in some)] or ["cpu"]
        stack = {"stack": "velesio"} if {*mine} & {*roles.PARTS} else {}
        assert want(mine, {**stack, **own_data(told)}, groups, locking=True)


@pytest.mark.parametrize(("file", "block"), blocks("yaml"))
def test_stacks_and_services_in_the_docs_are_accepted(file: str, block: str, tmp_path: Path) -> None:
    entry = yaml.safe_load(block)
    if "image" in entry or "build" in entry:
        assert read(Service, entry, file)
        return
    (tmp_path / "mine.yaml").write_text(block)
    assert want(["cpu"], {"stack": str(tmp_path / "mine.yaml")}).services


def test_the_catalog_in_the_docs_is_accepted(tmp_path: Path) -> None:
    """A service with a kept file, and its template."""
    for _, block in (*blocks("yaml"), *blocks("jinja")):
        if path := re.match(r"# (catalog/[\w./-]+\w)", block):
            (tmp_path / path[1]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path[1]).write_text(block)
    stack = yaml.safe_load((OURS / "stacks/starter.yaml").read_text())
    stack["services"]["r"] = {"service": "router"}
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(stack))
    told = {"stack": str(tmp_path / "one.yaml"), "catalog": str(tmp_path / "catalog")}
    ours = yaml.safe_load(render(planned(HostFacts(), "cpu", told)).files["r/llm.yaml"])
    assert ours["backends"] == {"llama": {"base_url": "http://llama:8080/v1", "enabled": True}}
    assert ours["research_fallback_order"] == ["llama"]


def test_links_lead_somewhere() -> None:
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        targets = re.findall(r"\]\((?!http)([^)#]+)", file.read_text())
        assert [t for t in targets if not (file.parent / t).exists()] == []


def test_make_targets_in_the_docs_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", file.read_text(), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_facts_in_the_docs_can_be_printed() -> None:
    """Each `pyinfra ... fact NAME` of the docs, against this machine."""
    text = "\n".join(block for _, block in blocks("sh"))
    names = sorted(set(re.findall(r"fact (gpufleet\.[\w.]+)", text)))
    assert names
    for name in names:
        command = [str(ROOT / ".venv/bin/pyinfra"), "inventory/example.py", "fact", name]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert run.returncode == 0, run.stderr
        assert '"@local"' in run.stdout + run.stderr


def test_values_in_the_docs_are_taken(helm: Path, tmp_path: Path) -> None:
    (block,) = (text for file, text in blocks("text") if file == "kubernetes.md" and text.startswith("services:"))
    (tmp_path / "mine.yaml").write_text(block)
    folder = charts.written(charts.charted(charts.planned("starter", "cuda")), tmp_path / "chart")
    found = charts.templated(helm, folder, "-f", str(tmp_path / "mine.yaml"))
    (door,) = (o for o in found if o["kind"] == "Ingress")
    assert door["spec"]["tls"] == [{"hosts": ["chat.example.org"], "secretName": "litellm-tls"}]
    known = yaml.safe_load((folder / "values.yaml").read_text())
    for key, told in yaml.safe_load(block).items():
        assert key in known
        assert not isinstance(told, dict) or told.keys() <= known[key].keys()


SIGNS = """\
A page's shell is what the doctor runs as root: `say WHERE WHAT` reports, `limit SECONDS COMMAND` bounds, `$R` is empty
on a host, `$root` is data_root, `$names` are HOST:PORT of what is fetched from, `$programs` containers with a card."""


def pages() -> dict[str, str]:
    """A page for each finding by its file name, and their index."""
    kinds = findings()
    index = ["# Findings", "", "What the preflight and the doctor can say. Generated from the catalog's table.", ""]
    index += [SIGNS, ""]
    index += ["| id | severity | what |", "| --- | --- | --- |"]
    index += [f"| [{id_}]({id_}.md) | {kind.severity} | {kind.title} |" for id_, kind in sorted(kinds.items())]
    found = {"README.md": "\n".join(index) + "\n"}
    for id_, kind in kinds.items():
        about = f"Severity: {kind.severity}." + (f" The GPU facts call it `{kind.code}`." if kind.code else "")
        parts = [f"# {id_}", f"{kind.title}.", about, f"**Cause.** {kind.cause}", f"**Fix.** {kind.fix}"]
        parts += [f"**Seen by** the doctor, on the host:\n\n```text\n{kind.sign.strip()}\n```"] if kind.sign else []
        found[f"{id_}.md"] = "\n\n".join(parts) + "\n"
    return found


def test_every_finding_has_its_page() -> None:
    assert {p.name: p.read_text() for p in FINDINGS.glob("*.md")} == pages()


if __name__ == "__main__":
    REFERENCE.write_text(reference())
    for path, schema in schemas().items():
        path.write_text(schema)
    FINDINGS.mkdir(exist_ok=True)
    for name, page in pages().items():
        (FINDINGS / name).write_text(page)
