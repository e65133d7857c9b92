"""What is watched: every expression is one, and asks for metrics that there are."""

import json
import re
from typing import Any

import promql_parser
import pytest
from ruamel.yaml import YAML

from tests.docker.composed import CHECKOUT, DOCKER, read
from tests.docker.test_chart import CHART, of_kind, rendered, values

OBSERVING = DOCKER / "observing"
COUNTERS = {
    "konstruct_http_requests_total": {"service", "route", "method", "status"},
    "konstruct_messages_received_total": {"channel"},
    "konstruct_turns_total": {"outcome"},
    "konstruct_activities_total": {"activity", "outcome"},
    "konstruct_model_calls_total": {"provider", "model", "outcome"},
    "konstruct_model_tokens_total": {"provider", "model", "kind"},
    "konstruct_sends_total": {"channel", "outcome"},
    "konstruct_tool_calls_total": {"outcome"},
    "konstruct_handoffs_total": {"reason"},
}
HISTOGRAMS = {
    "konstruct_http_request_seconds": {"service", "route"},
    "konstruct_turn_seconds": set(),
    "konstruct_activity_seconds": {"activity"},
    "konstruct_model_call_seconds": {"provider", "model"},
    "konstruct_send_seconds": {"channel"},
}
GAUGES = {
    "konstruct_waiting": {"kind"},
    "konstruct_waiting_oldest_seconds": {"kind"},
    "konstruct_build_info": {"version"},
    "up": {"job"},
}
LABELS: dict[str, set[str]] = {
    **COUNTERS,
    **GAUGES,
    **{f"{name}_bucket": {*labels, "le"} for name, labels in HISTOGRAMS.items()},
}
"""Of each series that may be asked for: the labels that it has."""

ALERTS: list[dict[str, Any]] = [
    rule for group in YAML(typ="safe", pure=True).load(OBSERVING / "alerts.yaml")["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((OBSERVING / "dashboard.json").read_text())
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in ALERTS} | {
    f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "5m")
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
}


def asked_for(expression: promql_parser.Expr) -> list[promql_parser.VectorSelector]:
    """All series that an expression, however deep, asks for."""
    if isinstance(expression, promql_parser.VectorSelector):
        return [expression]
    below = [getattr(expression, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "vs")]
    below += getattr(expression, "args", None) or []
    return [found for each in below if each is not None for found in asked_for(each)]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_is_one_and_asks_for_what_there_is(name: str) -> None:
    found = asked_for(promql_parser.parse(EXPRESSIONS[name]))
    assert found
    labels: set[str] = set()
    for selector in found:
        assert selector.name in LABELS, selector.name
        labels |= LABELS[selector.name]
        assert {matcher.name for matcher in selector.matchers.matchers} <= LABELS[selector.name]
    grouped = re.findall(r"by \(([^)]*)\)", EXPRESSIONS[name])
    assert {label.strip() for group in grouped for label in group.split(",")} <= labels


def test_a_counter_is_asked_for_how_fast_it_counts() -> None:
    for name, expression in EXPRESSIONS.items():
        for counter in (*COUNTERS, *(f"{histogram}_bucket" for histogram in HISTOGRAMS)):
            for before in re.findall(rf"(\w*\()?{counter}\b", expression):
                assert before == "rate(", name


def test_what_is_no_expression_is_noticed() -> None:
    with pytest.raises(ValueError, match=r"unclosed|unexpected|invalid"):
        promql_parser.parse("sum(rate(konstruct_turns_total[5m])")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_the_matter(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["for"]
    assert set(rule["annotations"]) == {"summary", "description"}
    told = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in group.split(",")}
    # `up` carries the labels of what is scraped.
    assert told <= (grouped or {"instance"})


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {selector.name for name, text in EXPRESSIONS.items() for selector in asked_for(promql_parser.parse(text))}
    assert set(LABELS) - {"up"} <= shown | {"konstruct_build_info"}


def test_panels_have_names_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(places) == len(set(places))


def test_prometheus_scrapes_every_process_of_the_composition() -> None:
    configured = YAML(typ="safe", pure=True).load(OBSERVING / "prometheus.yaml")
    [job] = configured["scrape_configs"]
    assert job["job_name"] == "konstruct"
    [discovered] = job["dns_sd_configs"]
    assert discovered["port"] == 9464
    running = {name for name, each in read()["services"].items() if each["image"].startswith("konstruct:")}
    assert set(discovered["names"]) == running - {"migrate", "backup"}


def test_the_composition_mounts_what_there_is() -> None:
    composed = read(OBSERVING / "compose.yaml")
    for service in composed["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            # It is read beside docker/compose.yaml, whose folder paths begin in.
            assert (DOCKER / source).exists() if source.startswith(".") else source in composed["volumes"]
    assert composed["services"]["grafana"]["ports"] == ["127.0.0.1:3000:3000"]


def test_the_chart_has_the_same_alerts() -> None:
    [rules] = of_kind(rendered(values(CHART / "examples" / "managed.yaml")), "PrometheusRule").values()
    assert [rule for group in rules["spec"]["groups"] for rule in group["rules"]] == ALERTS
    [monitor] = of_kind(rendered(values(CHART / "examples" / "managed.yaml")), "ServiceMonitor").values()
    assert monitor["spec"]["endpoints"] == [{"port": "metrics", "path": "/metrics", "interval": "15s"}]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_no_more_is_told_of_than_the_documents_do() -> None:
    for command in re.findall(r"`konstruct ([a-z]+)", (OBSERVING / "alerts.yaml").read_text()):
        assert f"konstruct {command}" in (CHECKOUT / "docs" / "operating.md").read_text()
