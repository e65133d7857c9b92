"""An agent's program is told when what it says does not go to the contact yet, or cannot."""

import secrets
from datetime import timedelta

import pytest
from fastapi import FastAPI
from temporalio.client import Client

from gateway.api import app as api
from konstruct import conversations, reply_window
from konstruct.db import Database
from konstruct.limits import LocalLimiter
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.gateway.programs import NOTHING_OUTSIDE, program_of
from tests.support.doubles import KeptFiles, RecordingMessenger
from tests.support.handoffs import owned, seat
from tests.support.http import serve
from tests.support.office import open_office


@pytest.mark.parametrize(
    ("external", "status", "says"),
    [
        ({"reengage_template": "we_have_an_answer", "reengage_language": "en"}, 201, reply_window.WAITS),
        ({}, 409, reply_window.CANNOT_WAIT),
    ],
)
async def test_after_a_day_a_reply_says_what_becomes_of_it(
    database: Database, vault: Vault, temporal_client: Client, external: dict[str, str | None], status: int, says: str
) -> None:
    office = await open_office(
        database,
        vault,
        kind="whatsapp",
        account=secrets.token_hex(8),
        external={"phone_number_id": "1", **external},
    )
    await seat(office, channel=None)
    asked = await office.say("I want a person")
    handoff_id = await owned(office, asked)
    app = FastAPI()
    messengers = {"whatsapp": RecordingMessenger()}
    app.mount(
        "/api/v1", api.build(database, vault, LocalLimiter(), temporal_client, messengers, KeptFiles(), NOTHING_OUTSIDE)
    )
    async with serve(app) as url:
        program = await program_of(office, url)
        said = {"agent": "grace", "text": "Here I am."}
        path = f"/handoffs/{handoff_id}/replies"
        in_time = await program.call("POST", path, said, headers={"Idempotency-Key": "1"})
        assert (in_time.status, in_time.body["held"]) == (201, None)
        async with office.session() as session:
            conversation = await conversations.lock(session, asked.conversation_id)
            conversation.contact_said_at = utc_now() - timedelta(hours=25)
        late = await program.call("POST", path, said, headers={"Idempotency-Key": "2"})

    assert late.status == status
    assert says in (late.body.get("held"), late.body.get("error"))
