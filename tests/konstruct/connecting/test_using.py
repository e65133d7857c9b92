"""Connections in use: who serves them, what they are for, and what is left of one that is disconnected."""

from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlmodel import update

from konstruct import connections
from konstruct.connecting import disconnecting, drafts, overview, serving, slack_workspaces
from konstruct.connecting.drafts import Draft
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.identity import new_id
from konstruct.tables import AuditEvent, Connection, WhatsAppDraft
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.konstruct.connecting.test_renewing import connect, workspace_of
from tests.support.crowds import statements
from tests.support.office import Office, hire, open_office

ACTOR = "user:0"


async def test_a_disconnected_account_is_free_and_comes_back_as_it_was(
    office: Office, database: Database, vault: Vault
) -> None:
    async with office.session() as session:
        await disconnecting.disconnect(session, office.connection_id, actor=ACTOR)
        await disconnecting.disconnect(session, office.connection_id, actor=ACTOR)
    [gone] = await office.rows(Connection)
    assert (gone.status, gone.sealed_secrets) == ("disconnected", None)
    assert await connections.find(database, "slack", office.account) is None

    await connect(office, workspace_of(office))
    [back] = await office.rows(Connection)
    assert (back.id, back.account, back.status) == (office.connection_id, office.account, "active")

    async with office.session() as session:
        await disconnecting.disconnect(session, office.connection_id, actor=ACTOR)
    other = await open_office(database, vault)
    async with other.session() as session:
        await slack_workspaces.connect(
            session, vault, other.tenant_id, workspace_of(office), employee_key="ada", actor=ACTOR
        )
    with pytest.raises(Conflict, match="already connected elsewhere"):
        await connect(office, workspace_of(office))
    actions = [event.action for event in await office.rows(AuditEvent)]
    assert actions.count("connection.disconnected") == 2


async def test_many_connections_are_looked_at_in_as_few_queries_as_one(office: Office) -> None:
    with statements(office.database) as few:
        async with office.session() as session:
            assert len(await overview.every(session)) == 1
    async with office.session() as session:
        session.add_all(
            [
                Connection(
                    tenant_id=office.tenant_id,
                    key=f"slack-{place}",
                    kind="slack",
                    account=f"-/T{new_id().hex}",
                    employee_id=office.employee_id,
                )
                for place in range(30)
            ]
        )
    with statements(office.database) as many:
        async with office.session() as session:
            assert len(await overview.every(session)) == 31
    assert len(many) == len(few)


async def test_who_serves_is_chosen_for_all_or_for_a_channel(office: Office) -> None:
    async with office.session() as session:
        bo = await hire(session, office.tenant_id, "bo", "Bo")
    async with office.session() as session:
        await serving.serve(session, office.connection_id, bo.id, actor=ACTOR)
        await serving.bind(session, office.connection_id, "C0123ABCD", office.employee_id, actor=ACTOR)
        await serving.bind(session, office.connection_id, "C0123ABCD", bo.id, actor=ACTOR)
        await serving.bind(session, office.connection_id, "G0123ABCD", bo.id, actor=ACTOR)
        await serving.unbind(session, office.connection_id, "G0123ABCD", actor=ACTOR)
    async with office.session() as session:
        seen = await overview.one(session, office.connection_id)
    assert seen.employee.name == "Bo"
    assert [(channel, served.name) for channel, served in seen.bindings] == [("C0123ABCD", "Bo")]

    async with office.session() as session:
        with pytest.raises(BadInput, match="scroll down"):
            await serving.bind(session, office.connection_id, "#general", bo.id, actor=ACTOR)
        with pytest.raises(NotFound):
            await serving.serve(session, office.connection_id, new_id(), actor=ACTOR)


async def test_a_number_says_what_it_is_for(database: Database, vault: Vault) -> None:
    office = await open_office(database, vault, kind="whatsapp", account=new_id().hex)
    functions = serving.read_functions(" Repairs \n\nOpening hours\nRepairs\n")
    assert functions == ["Repairs", "Opening hours"]
    async with office.session() as session:
        await serving.describe(session, office.connection_id, functions, actor=ACTOR)
        with pytest.raises(BadInput, match="no assistant for everything"):
            await serving.describe(session, office.connection_id, [], actor=ACTOR)
    async with office.session() as session:
        seen = await overview.one(session, office.connection_id)
    assert seen.functions == ("Repairs", "Opening hours")
    for lines in ("x\n" * 1 + "\n".join(map(str, range(10))), "y" * 121):
        with pytest.raises(BadInput):
            serving.read_functions(lines)


async def test_a_draft_is_one_persons_and_its_secrets_are_sealed(office: Office, vault: Vault) -> None:
    anna, bert = new_id(), new_id()
    draft = Draft({"waba_id": "123"}, {"access_token": SecretStr("EAAG-canary")})
    async with office.session() as session:
        await drafts.keep(session, vault, office.tenant_id, anna, draft)
        await drafts.keep(session, vault, office.tenant_id, anna, replace(draft, content={"waba_id": "124"}))
        assert await drafts.read(session, vault, office.tenant_id, bert) == Draft()
        found = await drafts.read(session, vault, office.tenant_id, anna)
    assert found == replace(draft, content={"waba_id": "124"})
    [row] = await office.rows(WhatsAppDraft)
    assert "EAAG" not in repr(row.model_dump())
    # One that was left alone goes when somebody fills in the next.
    async with office.session() as session:
        await session.execute(update(WhatsAppDraft).values(updated_at=utc_now() - 2 * drafts.KEPT_FOR))
        await drafts.keep(session, vault, office.tenant_id, bert, draft)
    assert [row.user_id for row in await office.rows(WhatsAppDraft)] == [bert]
    async with office.session() as session:
        await drafts.drop(session, bert)
    assert await office.rows(WhatsAppDraft) == []


async def test_that_a_channel_was_heard_of_counts_from_when_it_was_connected(office: Office) -> None:
    async with office.session() as session:
        assert not (await overview.one(session, office.connection_id)).has_heard
        await connections.note_event(session, office.connection_id)
    async with office.session() as session:
        assert (await overview.one(session, office.connection_id)).has_heard
    await connect(office, workspace_of(office))
    async with office.session() as session:
        assert not (await overview.one(session, office.connection_id)).has_heard
