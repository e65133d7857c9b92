"""Meta's own examples of what it posts. Collected only where they are."""

import json
import os
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.gateway.conftest import Quarantine
from tests.support.whatsapp_posts import Number, post, posted

SAMPLES = [
    pytest.param(path.read_text(), id=path.stem)
    for path in sorted(Path(os.environ["KONSTRUCT_CORPORA"]).glob("whatsapp_meta_openapi*/webhook_examples/*.json"))
]
NO_MESSAGES = ("reaction", "system", "group")

pytestmark = pytest.mark.corpora


@pytest.mark.parametrize("sample", SAMPLES)
async def test_every_example_of_metas_is_taken_once(
    hears_whatsapp: FastAPI, number: Number, quarantine: Quarantine, sample: str, request: pytest.FixtureRequest
) -> None:
    document = json.loads(sample)
    for entry in document["entry"]:
        entry["id"] = number.waba_id
        for change in entry["changes"]:
            change["value"]["metadata"]["phone_number_id"] = number.phone_number_id
    body = posted(*document["entry"])

    for _ in range(3):
        assert (await post(hears_whatsapp, body)).status == 200
    assert await quarantine() == []
    is_none = any(request.node.callspec.id.startswith(kind) for kind in NO_MESSAGES)
    messages = await number.office.messages()
    assert len(messages) == (0 if is_none else 1)
    assert all(message.body and "cannot be read" not in message.body for message in messages) or "unsupported" in sample


def test_there_are_samples() -> None:
    assert len(SAMPLES) > 10
