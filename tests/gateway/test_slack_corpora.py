"""Slack's own samples of what it sends, with their values blanked. Collected only where the samples are."""

import json
import os
from pathlib import Path

import pytest

from gateway.bodies import Json
from tests.gateway.conftest import Quarantine
from tests.gateway.office import Office
from tests.support.slack_double import SlackDouble

SAMPLES = [
    pytest.param(json.loads(path.read_text()), id=path.stem)
    for path in sorted(Path(os.environ["KONSTRUCT_CORPORA"], "slack_event_shapes").glob("*.json"))
]
BLANKS = {"channel": "C1", "ts": "1.000001", "thread_ts": "1.000001", "deleted_ts": "1.000001", "user": "U1"}

pytestmark = pytest.mark.corpora


@pytest.mark.parametrize("sample", SAMPLES)
async def test_every_event_that_slack_documents_is_taken(
    slack: SlackDouble, office: Office, quarantine: Quarantine, sample: Json
) -> None:
    event = sample.get("event", {})

    assert (await slack.send(sample)).status == 200
    assert (await slack.deliver(event)).status == 200
    kept_aside = len(await quarantine())

    assert (await slack.deliver(filled(event))).status == 200
    assert len(await quarantine()) == kept_aside


def filled(event: Json) -> Json:
    """With those blanks filled that an event is never without."""
    inner = {name: filled(event[name]) for name in ("message", "previous_message") if name in event}
    return {name: BLANKS.get(name, "") if value == "" else value for name, value in event.items()} | inner


def test_there_are_samples() -> None:
    assert len(SAMPLES) > 50
