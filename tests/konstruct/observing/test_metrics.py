"""What is measured has a name of its own, no tenant, and labels of few values; the documents list all of it."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import Metric

from konstruct import __version__
from konstruct.observing import metrics
from konstruct.observing.metrics import REGISTRY
from tests.support.numbers import Counted

DOCUMENT = (Path(__file__).parents[3] / "docs" / "observing.md").read_text()
LABELS = {
    *("service", "route", "method", "status", "channel", "outcome", "activity"),
    *("provider", "model", "kind", "reason", "version"),
}


def ours() -> Iterator[Metric]:
    return (metric for metric in REGISTRY.collect() if metric.name.startswith("konstruct_"))


def labels_of(name: str) -> tuple[str, ...]:
    collector = REGISTRY._names_to_collectors[name]
    return tuple(collector._labelnames)  # type: ignore[attr-defined]  # No public way leads there.


def test_the_document_lists_every_metric_with_its_labels() -> None:
    listed = re.findall(r"^\| `(konstruct_\w+)` \| ([^|]*) \|", DOCUMENT, re.MULTILINE)
    wanted = {}
    for metric in ours():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        wanted[name] = ", ".join(f"`{label}`" for label in labels_of(metric.name))
    assert {name: labels.strip() for name, labels in listed} == wanted


def test_no_label_names_a_tenant() -> None:
    assert {label for metric in ours() for label in labels_of(metric.name)} <= LABELS


def test_the_release_is_told() -> None:
    assert REGISTRY.get_sample_value("konstruct_build_info", {"version": __version__}) == 1


@pytest.mark.parametrize(
    ("error", "outcome"), [(None, "ok"), (ValueError("no"), "failed"), (asyncio.CancelledError(), "cancelled")]
)
def test_what_is_done_is_counted_however_it_ends(error: BaseException | None, outcome: str) -> None:
    counted = Counted()
    with (
        suppress(ValueError, asyncio.CancelledError),
        metrics.measured(metrics.SENDS, metrics.SEND_SECONDS, channel="test"),
    ):
        if error is not None:
            raise error
    assert counted.of("konstruct_sends_total", channel="test") == 1
    assert counted.of("konstruct_sends_total", channel="test", outcome=outcome) == 1
    assert counted.of("konstruct_send_seconds_count", channel="test") == 1
