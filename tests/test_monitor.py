"""The stack monitor's files: what Prometheus scrapes, and that every question asks for what an exporter tells."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from gpufleet.render import render
from gpufleet.schema import HostFacts
from tests.conftest import cases, planned

KNOWN = {name for program in cases("metrics").values() for name in program["names"]}
WORDS = {"by", "or", "and", "on", "bool", "without", "unless", "offset", "ignoring"}
TARGETS = {"node": ["gpu2:9100"], "gpu": ["gpu2:5000", "gpu3:5000"], "velesio": ["10.0.0.2:8001"], "retention": "30d"}


@pytest.fixture(scope="module")
def files(hosts: dict[str, HostFacts]) -> dict[str, str]:
    data = {"stack": "monitor", "options": {"prometheus": TARGETS, "loki": {"retention": "720h"}}}
    plan = planned(hosts["two-cards"], "dual_gpu", data)
    return {path: text.decode() for path, text in render(plan).files.items()}


def dashboards(files: dict[str, str]) -> dict[str, Any]:
    return {path: json.loads(text) for path, text in files.items() if path.endswith(".json")}


def asked(expression: str) -> set[str]:
    """The metrics of a PromQL expression: names that are no label, function or word."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(by|on|without|ignoring) *\([^)]*\)', " ", expression)
    return set(re.findall(r"\b[a-zA-Z_][\w:]*\b(?! *\()", bare)) - WORDS


def test_what_is_scraped(files: dict[str, str]) -> None:
    found: dict[str, dict[str, str]] = {}
    for told in yaml.safe_load(files["prometheus/targets.yml"]):
        found.setdefault(told["labels"]["job"], {})[told["targets"][0]] = told["labels"]["host"]
    here = ("prometheus:9090", "alertmanager:9093", "loki:3100", "alloy:12345", "grafana:3000", "network-exporter:9100")
    assert found == {
        **{target.split("-")[0].split(":")[0]: {target: "host"} for target in here},
        "node": {"node-exporter:9100": "host", "gpu2:9100": "gpu2"},
        "gpu": {"gpu-exporter:5000": "host", "gpu-exporter-1:5000": "host", "gpu2:5000": "gpu2", "gpu3:5000": "gpu3"},
        "velesio": {"10.0.0.2:8001": "10.0.0.2"},
    }


def test_where_alerts_go(files: dict[str, str], hosts: dict[str, HostFacts]) -> None:
    """To the stack's own Alertmanager, to another one, or nowhere; on from there to a URL that no file has."""
    assert _alerts(files) == [("http", "/", "alertmanager:9093")]
    data = {"stack": "monitor", "services": {"alertmanager": False}}
    alone = {path: text.decode() for path, text in render(planned(hosts["cpu"], data=data)).files.items()}
    assert not _alerts(alone)
    assert "alertmanager" not in alone["grafana/datasources.yaml"]
    data = {"stack": "monitor", "external": {"alertmanager": "https://alerts.example.org/all"}}
    other = {path: text.decode() for path, text in render(planned(hosts["cpu"], data=data)).files.items()}
    assert _alerts(other) == [("https", "/all", "alerts.example.org")]
    data = {"stack": "monitor", "options": {"alertmanager": {"webhook": True}}}
    assert [f.id for f in planned(hosts["cpu"], data=data).blocked] == ["HOST-SECRET"]


def _alerts(files: dict[str, str]) -> list[tuple[str, str, str]]:
    told = yaml.safe_load(files["prometheus/prometheus.yml"]).get("alerting", {"alertmanagers": []})
    return [(a["scheme"], a["path_prefix"], a["static_configs"][0]["targets"][0]) for a in told["alertmanagers"]]


def test_rules_ask_for_what_is_told(files: dict[str, str]) -> None:
    rules = [r for g in yaml.safe_load(files["prometheus/rules.yml"])["groups"] for r in g["rules"]]
    assert len({r["alert"] for r in rules}) == len(rules) > 10
    assert {name for r in rules for name in asked(r["expr"])} - KNOWN == set()
    assert all(r["labels"]["severity"] in ("warning", "critical") and r["annotations"]["summary"] for r in rules)


def test_four_dashboards_ask_for_what_is_told(files: dict[str, str]) -> None:
    found = dashboards(files)
    assert {d["uid"] for d in found.values()} == {f"gpufleet-{name}" for name in ("redis", "system", "gpu", "logs")}
    for path, dashboard in found.items():
        sources = {s["uid"] for s in yaml.safe_load(files["grafana/datasources.yaml"])["datasources"]}
        assert {p["datasource"]["uid"] for p in dashboard["panels"]} <= sources
        if "logs" not in path:
            questions = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
            assert {name for q in questions for name in asked(q)} - KNOWN == set(), path


def test_panels_lie_beside_each_other(files: dict[str, str]) -> None:
    for dashboard in dashboards(files).values():
        cells = [
            (p["gridPos"]["x"] + x, p["gridPos"]["y"] + y)
            for p in dashboard["panels"]
            for x in range(p["gridPos"]["w"])
            for y in range(p["gridPos"]["h"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24


def test_logs_are_deleted_after_their_time(files: dict[str, str]) -> None:
    loki = yaml.safe_load(files["loki/config.yaml"])
    assert loki["compactor"]["retention_enabled"]
    assert loki["compactor"]["delete_request_store"] == "filesystem"
    assert [(c["store"], c["schema"]) for c in loki["schema_config"]["configs"]] == [("tsdb", "v13")]
    services = yaml.safe_load(files["compose.yaml"])["services"]
    assert services["loki"]["environment"]["RETENTION"] == "720h"
    assert "--storage.tsdb.retention.time=30d" in services["prometheus"]["command"]


def test_braces_of_nginx_and_alloy_close(files: dict[str, str]) -> None:
    for path in ("monitor-nginx/nginx.conf", "alloy/config.alloy"):
        assert files[path].count("{") == files[path].count("}")
