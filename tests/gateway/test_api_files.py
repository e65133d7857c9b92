"""Files over the API: had by who may read conversations, and sent by agents, once."""

from uuid import uuid4

import pytest

from konstruct.adapters import file_store
from konstruct.api_keys import Scope
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.programs import program_of
from tests.support.attached import Sent, say_with
from tests.support.office import Office, open_office

SENT = Sent("offer <1>.html", "text/html", b"<script>alert(1)</script>")


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault)


@pytest.mark.parametrize("scope", ["handoffs:read", "conversations:read"])
async def test_a_file_is_had_as_what_it_is_and_is_not_opened(
    api: str, office: Office, settings: Settings, scope: Scope
) -> None:
    _, [file_id] = await say_with(office, file_store.opened(settings), SENT)
    answer = await (await program_of(office, api, scope)).get(f"/files/{file_id}")

    assert (answer.status, answer.body) == (200, SENT.content)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''offer%20%3C1%3E.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_file_is_for_keys_that_may_read_and_of_its_tenant(
    api: str, office: Office, settings: Settings, database: Database, vault: Vault
) -> None:
    _, [file_id] = await say_with(office, file_store.opened(settings), SENT)
    other = await open_office(database, vault)

    assert (await (await program_of(office, api, "tools:read")).get(f"/files/{file_id}")).status == 403
    assert (await (await program_of(other, api)).get(f"/files/{file_id}")).status == 404
    assert (await (await program_of(office, api, name="other")).get(f"/files/{uuid4()}")).status == 404
