"""What a chart says and does beside what schemas see: texts, scripts, refusals, and the command that writes it."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import subprocess
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gpufleet import cli
from gpufleet.catalog import Catalog
from gpufleet.cli.export import FETCH
from gpufleet.errors import Refused
from gpufleet.plan import plan, want
from gpufleet.plan.node import described
from gpufleet.render.helm import chart
from gpufleet.render.helm.before import containers
from gpufleet.render.helm.environment import expanded, unescaped
from gpufleet.render.helm.pod import workload
from gpufleet.schema import Healthcheck, Mount, PlannedStep
from tests.charts import NODES, by_compose, by_kubernetes, charted, planned, templated, written
from tests.conftest import CASES

PIECES = st.sampled_from(["$$", "${KEY:?}", "(", ")", "KEY", "{", "}", "{{", "}}", "\\", '"', "'", "\n", " ", "$$("])


@given(st.lists(st.one_of(PIECES, st.text(st.characters(blacklist_characters="$"), max_size=3))).map("".join))
def test_kubernetes_makes_of_a_text_what_compose_makes(text: str) -> None:
    assert by_kubernetes(expanded(text, "x")) == by_compose(text)
    assert "${" in text or unescaped(text, "x") == by_compose(text)


@pytest.mark.parametrize("text", ["$HOME", "${KEY}", "${KEY:-x}", "a$", "$(date)"])
def test_what_only_compose_knows_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is not known in a chart; write"):
        expanded(text, "services/x/environment/Y")


NAME = "qwen2.5-1.5b-instruct-q4_k_m.gguf"
ANY = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="$"), max_size=8)


@settings(max_examples=12)
@given(told=st.lists(st.one_of(ANY, PIECES), max_size=12).map("".join))
def test_helm_leaves_texts_as_they_are(told: str, helm: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Braces, quotes, lines: in a command, a value and a generated file."""
    told = told.replace("${KEY:?}", "")
    found = planned("starter", "cpu")
    services = [s.model_copy(update={"command": (told,), "environment": {"X": told}}) for s in found.services]
    files = charted(found.model_copy(update={"services": tuple(services)}))
    text = "{{ x }}\n" + told.replace("\r", "") + "\n"
    objects = templated(helm, written({**files, "files/litellm/config.yaml": text}, tmp_path_factory.mktemp("chart")))
    for pod in (o["spec"]["template"]["spec"] for o in objects if "template" in o.get("spec", {})):
        (container,) = pod["containers"]
        values = {e["name"]: e.get("value") for e in container["env"]}
        assert by_kubernetes(container["args"][0]) == by_kubernetes(values["X"]) == by_compose(told)
    (config,) = (o for o in objects if o["metadata"]["name"] == "litellm-files")
    assert config["data"]["config.yaml"] == text


@given(
    stack=st.sampled_from(Catalog().names("stacks")),
    node=st.sampled_from(sorted(NODES)),
    vram=st.integers(4096, 98304),
    without=st.sets(st.integers(0, 20), max_size=3),
)
@settings(max_examples=40)
def test_what_can_be_planned_can_be_exported(stack: str, node: str, vram: int, without: set[int]) -> None:
    names = [*Catalog().stack(stack).services]
    left = {names[i]: False for i in without if i < len(names)}
    accelerator, cards = NODES[node]
    role, facts = described(accelerator, cards, vram, 131072, "gfx942")
    try:
        found = plan("kubernetes", want([role], {"stack": stack, "services": left}), facts)
    except Refused:
        return  # a service that another one needs was left out
    files = chart(found, "fetch")
    assert files == chart(found, "fetch")
    assert {f"templates/services/{s.name}.yaml" for s in found.services} <= files.keys()
    assert not re.search("[\ue000-\ue003]", "".join(files.values()))


def _script(pod: list[dict[str, Any]], name: str, **places: object) -> str:
    """The script of an init container, with other places for those that it has in the pod."""
    text = str(next(c["command"][-1] for c in pod if c["name"] == name))
    for old, new in places.items():
        text = text.replace(f"/{old}/", f"{new}/")
    return text


def _run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=False)


def test_models_are_fetched_whole_and_once(tmp_path: Path) -> None:
    data, there = b"weights" * 1000, tmp_path / "there"
    there.mkdir()
    (there / NAME).write_bytes(data)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(there))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = planned("starter", "cpu")
    url = f"http://127.0.0.1:{server.server_port}/{NAME}"
    told = {"url": url, "bytes": len(data), "digest": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    found = found.model_copy(update={"downloads": tuple(d.model_copy(update=told) for d in found.downloads)})
    pod = containers(found, next(s for s in found.services if s.name == "llama"))
    (tmp_path / "models").mkdir()
    script = _script(pod, "models", models=tmp_path / "models", tools=FETCH.parent)
    assert (done := _run(script)).returncode == 0, done.stderr
    assert (tmp_path / "models" / NAME).read_bytes() == data
    server.shutdown()
    server.server_close()
    assert (done := _run(script)).returncode == 0, "nothing is left to fetch"


@pytest.mark.skipif(os.geteuid() != 0, reason="owners are root's to give")
def test_directories_have_the_owner_and_mode_that_they_have_on_hosts(tmp_path: Path) -> None:
    found = planned("ai-stack", "cpu")
    pod = containers(found, next(s for s in found.services if s.name == "librechat"))
    for claim in ("config", "images", "logs", "uploads"):
        (tmp_path / "volumes" / f"data-librechat-{claim}").mkdir(parents=True)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "librechat.yaml").write_text("ours: 1\n")
    script = _script(pod, "directories", volumes=tmp_path / "volumes", files=tmp_path / "files")
    kept = tmp_path / "volumes" / "data-librechat-config" / "data" / "librechat.yaml"
    for _ in range(2):
        assert (done := _run(script)).returncode == 0, done.stderr
        told = kept.parent.stat()
        assert (told.st_uid, told.st_gid, told.st_mode & 0o777) == (1000, 1000, 0o755)
        assert (kept.stat().st_uid, kept.stat().st_mode & 0o777) == (1000, 0o640)
    kept.write_text("theirs: 2\n")
    assert _run(script).returncode == 0
    assert kept.read_text() == "theirs: 2\n", "a kept file is its user's"


RUNS = [("set -e; false; touch {}", 1), ("true", 1), ("touch {}", 0), ("cat <<'END' >{}\nx\nEND", 0)]


@pytest.mark.parametrize(("run", "code"), RUNS)
def test_steps_are_done_once_and_fail_loudly(run: str, code: int, tmp_path: Path) -> None:
    mark = tmp_path / "it is done"
    step = {"service": "x", "name": "mark", "deadline": 1}
    found = planned("starter", "cpu")
    done = PlannedStep(check=f"test -e '{mark}'", run=run.format(f"'{mark}'"), **step)
    count = PlannedStep(check=f"test -s {tmp_path}/n", run=f"echo >>{tmp_path}/n", **{**step, "name": "count"})
    service = found.services[0].model_copy(
        update={"steps": (count, done), "healthcheck": Healthcheck(test=["CMD-SHELL", "[ $$HOME ]"])}
    )
    hook = workload(found, service)["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["postStart"]["exec"]
    log = tmp_path / "log"
    log.touch()
    script = hook["command"][-1].replace("/proc/1/fd/1", str(log))
    for _ in range(2):
        assert subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == code
    assert (tmp_path / "n").read_text() == "\n"
    assert mark.exists() == (code == 0)
    assert log.read_text().endswith("step mark is not complete\n" if code else "step mark\n")


@pytest.mark.parametrize("stack", Catalog().names("stacks"))
def test_what_pods_may_is_as_the_docs_say(stack: str) -> None:
    """The Pod Security level `baseline`, as far as a chart could break it."""
    found = planned(stack, "cpu")
    pods = [workload(found, s)["spec"]["template"]["spec"] for s in found.services]
    asked = {
        c for p in pods for k in p["containers"] for c in k["securityContext"].get("capabilities", {}).get("add", ())
    }
    nodes = any("hostPath" in v for p in pods for v in p.get("volumes", ()))
    assert (nodes, asked) == (stack == "monitor", {"SYS_ADMIN"} if stack == "ai-stack" else set())


REFUSED = {
    "the host's own network": ({"stack": "everything"}, "services/exporter: is on the network of the host itself"),
    "an engine on the host": (
        {"external": {"llama": "http://127.0.0.1:8080"}},
        "http://127.0.0.1:8080 is each node's own",
    ),
}


@pytest.mark.parametrize(("data", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_pod_can_do_is_refused(data: dict[str, Any], line: str) -> None:
    role, facts = described("cpu", 1, 1, 131072, "gfx942")
    found = plan("kubernetes", want([role], {"stack": "starter", "catalog": str(CASES / "catalog"), **data}), facts)
    with pytest.raises(Refused, match=re.escape(line)):
        chart(found, "")


def test_names_that_kubernetes_does_not_take_are_refused(tmp_path: Path) -> None:
    stack = {"title": "x", "services": {"my.redis": {"service": "redis"}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(stack))
    found = planned(str(tmp_path / "mine.yaml"), "cpu")
    with pytest.raises(Refused, match=r"services/my.redis: is no name in Kubernetes; give it another"):
        chart(found, "")


def test_directories_whose_claims_would_be_one_are_refused() -> None:
    found = planned("starter", "cpu")
    mounts = tuple(Mount(source=f"{found.root}/data/{d}", target=f"/{d}", read_only=True) for d in ("a-b", "a/b"))
    same = [s.model_copy(update={"mounts": mounts}) for s in found.services[:1]]
    with pytest.raises(Refused, match="data/a-b: has the name of another directory's claim"):
        chart(found.model_copy(update={"services": tuple(same), "outputs": ()}), "")


def test_the_command_writes_a_chart_anew_and_nothing_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "chart"
    command = ["export", "helm", "predict-otron", "-o", str(folder)]
    assert cli.main(command) == 0
    told = capsys.readouterr()
    assert told.out == f"helm upgrade --install predict-otron {folder} --namespace predict-otron --create-namespace\n"
    built, steps, *_ = told.err.splitlines()
    assert built.startswith("to know: no registry has gpufleet.local/predict-otron:")
    assert built.endswith("push it to one of yours, and name it in services.predict-otron.image")
    assert steps.startswith("to know: predict-otron is not ready before its first steps are done")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (folder / "templates" / "services" / "gone.yaml").write_text("x")
    assert cli.main(command) == 0
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    (folder / "Chart.yaml").write_text("name: other\n")
    assert cli.main(command) == 64
    assert "is no chart of gpufleet; choose another folder." in capsys.readouterr().err
    assert (folder / "Chart.yaml").read_text() == "name: other\n"


def test_a_stack_that_does_not_fit_its_nodes_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "chart"
    command = ["export", "helm", "starter", "--accelerator", "cuda", "--vram", "1024", "-o", str(folder)]
    assert cli.main(command) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gpufleet export helm: ledger/")
    assert "[PLAN-FIT]" in line
    assert not folder.exists()
