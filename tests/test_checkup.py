"""The doctor's judgement and its report."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gpufleet.catalog import findings
from gpufleet.plan.checkup import checkup
from gpufleet.plan.report import Checked, data, text
from gpufleet.schema import GpuProblem, Gpus, Health, HostFacts
from gpufleet.schema.gpu import ProblemCode
from tests.conftest import planned

NOW = 1_700_000_000.0


def found(facts: HostFacts, health: Health, role: str = "cpu", drift: tuple[str, ...] = ()) -> dict[str, str]:
    """Severity and evidence by id."""
    plan_ = planned(facts, role)
    return {f.id: f"{f.severity}: {f.what}" for f in checkup(plan_, facts, health, drift, NOW)}


def test_every_problem_of_a_card_has_a_finding_and_every_finding_is_used() -> None:
    assert {k.code for k in findings().values() if k.code} == set(ProblemCode.__args__)  # type: ignore[attr-defined]
    source = "".join(p.read_text() for p in Path("gpufleet/plan").rglob("*.py"))
    unused = [i for i, k in findings().items() if not (k.code or k.sign) and not re.search(rf'"{i}"', source)]
    assert unused == []
    assert set(re.findall(r'"((?:GPU|ENG|HOST|NET|PLAN)-[A-Z-]+)"', source)) <= findings().keys()


def test_a_healthy_host_has_no_finding(hosts: dict[str, HostFacts]) -> None:
    health = Health(clock=int(NOW))
    assert found(hosts["cpu"], health) == {}
    assert found(hosts["rtx4090"], health, "single_gpu") == {}
    assert found(hosts["cpu"], Health()) == {}, "what a host does not say is no finding"


def test_each_ill_is_named(hosts: dict[str, HostFacts]) -> None:
    signs = {"GPU-ON-CPU": (("starter-llama-1", "it says: no usable GPU found"),), "HOST-REBOOT": (("host", "yes"),)}
    ill = Health(clock=int(NOW) - 300, signs=signs)
    assert found(hosts["rtx4090"], ill, "single_gpu", ("llama: has no container",)) == {
        "GPU-ON-CPU": "blocks: it says: no usable GPU found",
        "HOST-CLOCK": "warns: 300 s from the control machine's clock",
        "ENG-DRIFT": "warns: llama: has no container",
        "HOST-REBOOT": "informs: yes",
    }


def test_a_broken_card_blocks_only_where_cards_are_needed(hosts: dict[str, HostFacts]) -> None:
    lost = Gpus(problems=(GpuProblem(code="gpu-lost", card="0000:01:00.0", evidence="Xid 79"),))
    facts = hosts["cpu"].model_copy(update={"gpus": lost})
    assert found(facts, Health()) == {"GPU-LOST": "warns: Xid 79"}
    assert found(facts, Health(), "single_gpu")["GPU-LOST"] == "blocks: Xid 79"


def test_the_same_finding_on_many_hosts_is_printed_once(hosts: dict[str, HostFacts]) -> None:
    health = Health(signs={"HOST-DNS": (("host", "hub does not resolve"),)})
    checked = {
        name: Checked("cpu", hosts["cpu"], checkup(planned(hosts["cpu"]), hosts["cpu"], health, ()))
        for name in ("one", "two")
    } | {"gone": Checked("cpu", None, problem="host: did not answer")}
    lines = text(checked)
    assert [line for line in lines if "HOST-DNS" in line] == ["HOST-DNS (warns): A name does not resolve"]
    assert "  one, two: host: hub does not resolve" in lines
    assert "gone: host: did not answer" in lines
    assert lines[-1] == "3 hosts, 1 with something that blocks"
    assert [s["host"] for s in json.loads(json.dumps(data(checked)))["findings"][0]["seen"]] == ["one", "two"]


def test_the_table_says_what_each_host_has(hosts: dict[str, HostFacts]) -> None:
    lines = text({n: Checked("single_gpu", hosts[n]) for n in ("two-cards", "no-driver", "cpu")})
    assert [re.sub(r" {2,}", " | ", line) for line in lines[:5]] == [
        "HOST | ROLE | CARDS | VRAM | DRIVER | STATE",
        "two-cards | single_gpu | 1 x NVIDIA GeForce RTX 4090 | 12288 MiB | nvidia 580.95.05 | usable",
        "two-cards | single_gpu | 1 x NVIDIA GeForce RTX 4090 | 24564 MiB | nvidia 580.95.05 | usable",
        "no-driver | single_gpu | 1 x 10de:2684 | 24576 MiB (by its id) | 580.95.05 | not usable",
        "cpu | single_gpu | none",
    ]
