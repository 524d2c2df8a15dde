"""The command `gpufleet`: its page, its exit codes, its usage. `python -m tests.test_cli` writes the cases anew."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gpufleet import cli
from gpufleet.cli import text
from gpufleet.cli.ask import completed
from gpufleet.cli.explain import explain
from gpufleet.schema import Forecast, HostFacts, HostForecast, read
from tests.conftest import CASES, ROOT, cases, planned
from tests.test_forecast import changed, converged, foretold, fresh

FLEET, PAGE, REASONS = (CASES / "forecast" / name for name in ("fleet.json", "page.txt", "llama.txt"))


def fleet() -> Forecast:
    """Hosts of the cases, from one with nothing to do to one that cannot be reached."""
    facts = {name: read(HostFacts, told, f"hosts/{name}") for name, told in cases("hosts").items()}
    one_gone = {"containers": {"redis": "exited", "localai": "running"}, "hashes": {"litellm": "new"}, "release": None}
    found = {f"gpu{n}": _host(facts["rtx4090"], "single_gpu") for n in (1, 2)}
    found["gpu3"] = _host(facts["two-cards"], "single_gpu", now=one_gone)
    found["gpu4"] = _host(facts["no-driver"], "single_gpu", {"driver": "install"})
    found["gpu5"] = _host(facts["small-card"], "single_gpu", {"models": {"chat": "qwen2.5-7b-instruct-q4-k-m"}})
    found["cpu1"] = _host(facts["cpu"], "cpu", now={})
    found["cpu2"] = HostForecast(state="blocked", problems=("group_data: unknown key 'stak'; did you mean 'stack'?",))
    found["cpu3"] = _host(facts["cut-download"], "cpu", now={"missing": ["qwen2.5-1.5b-instruct-q4_k_m.gguf"]})
    found["cpu4"] = _host(facts["external-llama"], "cpu", {"external": {"llama": "http://127.0.0.1:8080"}}, now={})
    found["away"] = HostForecast(state="failed", problems=("host: cannot be reached: Could not connect; mend that",))
    return Forecast(hosts=dict(sorted(found.items())))


def _host(facts: HostFacts, role: str, data: dict[str, Any] | None = None, now: dict[str, Any] | None = None) -> Any:
    plan = planned(facts, role, data)
    if now is None:
        return foretold(plan, facts, fresh(facts))
    engine = facts.engine.model_copy(update={"images": tuple(pull.image for pull in plan.pulls)})
    state = changed(converged(plan, facts), plan.stack, dict(now))
    return foretold(plan, facts.model_copy(update={"engine": engine}), state)


def page(found: Forecast, **options: Any) -> str:
    """What is printed, 80 columns wide unless told otherwise."""
    console = Console(file=io.StringIO(), **{"width": 80, **options}, highlight=False, markup=False, emoji=False)
    text.show(console, found, 100)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def recorded() -> Forecast:
    return Forecast.model_validate_json(FLEET.read_text())


def test_the_page_is_the_recorded_one() -> None:
    assert page(recorded()) == PAGE.read_text()
    assert str(explain(recorded(), "llama")) + "\n" == REASONS.read_text()


def test_the_page_fits_and_says_the_same_without_colour() -> None:
    plain = page(recorded())
    assert max(map(len, plain.splitlines())) <= 80
    coloured = page(recorded(), force_terminal=True, color_system="standard", no_color=True)
    assert "\x1b[3" not in coloured, "a colour"
    assert plain.isascii(), "any terminal shows it"


def test_hosts_that_are_alike_are_told_once() -> None:
    lines = page(recorded()).splitlines()
    assert "gpu1, gpu2 (2 hosts alike)  single_gpu, starter in /srv/gpufleet" in lines
    many = Forecast(hosts={f"h{n}": recorded().hosts["gpu1"] for n in range(20)})
    assert len(page(many).splitlines()) < 60


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["same", "same"], 0),
        (["same", "changes"], 2),
        (["waits"], 2),
        (["changes", "blocked"], 3),
        (["blocked", "failed", "same"], 1),
    ],
)
def test_the_worst_host_is_the_exit_code(states: list[Any], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Forecast(hosts={f"h{n}": HostForecast(state=state) for n, state in enumerate(states)})
    monkeypatch.setattr(cli, "ask", lambda *_: found)
    assert cli.main(["plan", "@local"]) == code


@pytest.mark.parametrize(("case"), cases("usage").values(), ids=cases("usage").keys())
def test_a_wrong_command_line_is_one_line_and_64(
    case: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "group_data").mkdir()
    for name, content in case.get("files", {}).items():
        (tmp_path / name).write_text(content)
    assert cli.main(case["args"]) == 64
    told = capsys.readouterr()
    assert (told.out, told.err.replace(f"{tmp_path}/", "").splitlines()) == ("", [case["line"]])


PRINTS = """
import sys
from pathlib import Path
from gpufleet import cli
from gpufleet.schema import Forecast
cli.ask = lambda *_: Forecast.model_validate_json(Path(sys.argv[1]).read_text())
sys.exit(cli.main(["plan", "@local", *sys.argv[2:]]))
"""


@pytest.mark.parametrize("option", [[], ["--json"], ["--explain", "llama"]])
def test_a_full_disk_is_one_line_and_a_closed_pipe_none(option: list[str]) -> None:
    command = [sys.executable, "-c", PRINTS, str(FLEET), *option]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "gpufleet: the output: No space left on device\n")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_what_pyinfra_said_of_a_host_is_kept() -> None:
    silent = HostForecast(state="failed", problems=("host: did not answer; is it overloaded? run again",))
    found = Forecast(hosts={"a": HostForecast(state="same"), "b": silent})
    said = "[a] Connected\n [b] Connected\n [b] host: the answer was cut short; run again\n [c]  Could not connect\n"
    told = completed(found, said).hosts
    assert {name: host.problems for name, host in told.items()} == {
        "a": (),
        "b": ("host: the answer was cut short; run again",),
        "c": ("host: cannot be reached: Could not connect; mend that, then run again",),
    }


if __name__ == "__main__":
    FLEET.write_text(fleet().model_dump_json(indent=1) + "\n")
    PAGE.write_text(page(fleet()))
    REASONS.write_text(str(explain(fleet(), "llama")) + "\n")
