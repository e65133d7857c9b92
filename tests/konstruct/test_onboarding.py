"""The first three steps: what is read from what is there, and what each press makes of it."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from konstruct import onboarding
from konstruct.db import Database
from konstruct.designs import drafting, publishing
from konstruct.errors import BadInput, Conflict
from konstruct.onboarding import Progress
from konstruct.tables import Connection, Conversation, Employee, EmployeeVersion
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.members import new_tenant
from tests.support.office import Office, open_office

ACTOR = "user:somebody"


@pytest.fixture
async def tenant(database: Database) -> UUID:
    return await new_tenant(database)


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    """With an employee that a file published, and a workspace."""
    return await open_office(database, vault)


async def progress(database: Database, tenant: UUID) -> Progress:
    async with database.tenant_session(tenant) as session:
        return await onboarding.progress(session)


async def make_somebody(database: Database, tenant: UUID) -> Employee:
    async with database.tenant_session(tenant) as session:
        return await onboarding.somebody(session, tenant, actor=ACTOR)


async def configure(
    database: Database, tenant: UUID, *, start: str = "sales", name: str = "Mia", about: str = ""
) -> Employee:
    async with database.tenant_session(tenant) as session:
        return await onboarding.configure(session, tenant, start=start, name=name, about=about, actor=ACTOR)


async def published(database: Database, tenant: UUID) -> list[EmployeeVersion]:
    async with database.tenant_session(tenant) as session:
        return list(await session.scalars(select(EmployeeVersion).order_by(col(EmployeeVersion.number))))


async def test_a_new_tenant_is_at_its_first_step(database: Database, tenant: UUID) -> None:
    found = await progress(database, tenant)
    assert found.done == {"channel": False, "employee": False, "message": False}
    assert (found.current, found.is_over, found.employee) == ("channel", False, None)


async def test_without_a_channel_the_steps_go_on_once_somebody_says_so(database: Database, tenant: UUID) -> None:
    for _ in range(2):
        async with database.tenant_session(tenant) as session:
            await onboarding.put_off_channel(session, actor=ACTOR)
    assert (await progress(database, tenant)).current == "employee"


async def test_whoever_writes_before_the_second_step_is_answered_by_somebody(database: Database, tenant: UUID) -> None:
    employee = await make_somebody(database, tenant)
    assert employee.published_version == 1
    # It was made for them, and they have said nothing of it yet.
    assert not (await progress(database, tenant)).is_configured


async def test_two_presses_make_one_employee(database: Database, tenant: UUID) -> None:
    first, second = await asyncio.gather(make_somebody(database, tenant), make_somebody(database, tenant))
    assert first.id == second.id
    assert len(await published(database, tenant)) == 1


async def test_the_second_step_makes_that_employee_theirs(database: Database, tenant: UUID) -> None:
    made = await make_somebody(database, tenant)
    employee = await configure(database, tenant, about="We sell kites.\nOpen on Sundays.")
    assert employee.id == made.id
    last = (await published(database, tenant))[-1]
    assert (last.number, last.name, last.role) == (2, "Mia", "sales")
    assert last.system_prompt.endswith("About the business:\nWe sell kites.\nOpen on Sundays.")
    assert (await progress(database, tenant)).is_configured


async def test_it_may_stay_as_it_was_made(database: Database, tenant: UUID) -> None:
    await make_somebody(database, tenant)
    await configure(database, tenant, start="support", name="")
    assert (await progress(database, tenant)).is_configured
    assert [version.number for version in await published(database, tenant)] == [1]


async def test_what_somebody_published_meanwhile_is_not_overwritten(database: Database, tenant: UUID) -> None:
    made = await make_somebody(database, tenant)
    async with database.tenant_session(tenant) as session:
        draft = await drafting.read(session, made.key)
        content = {**draft.content, "role": "Lighthouse keeper"}
        saved = await drafting.save(session, made.key, content, revision=draft.revision, actor=ACTOR)
        assert isinstance(saved, drafting.Draft)
        await publishing.publish(session, made.key, revision=saved.revision, over=1, actor=ACTOR)
    assert (await progress(database, tenant)).is_configured
    with pytest.raises(Conflict, match="in the designer"):
        await configure(database, tenant)
    assert (await published(database, tenant))[-1].role == "Lighthouse keeper"


async def test_what_somebody_has_begun_is_neither_published_nor_overwritten(database: Database, tenant: UUID) -> None:
    async with database.tenant_session(tenant) as session:
        begun = await drafting.create(session, tenant, {"name": "Bo", "role": "Half done"}, actor=ACTOR)
    made = await make_somebody(database, tenant)
    assert made.id != begun.id
    async with database.tenant_session(tenant) as session:
        draft = await drafting.read(session, made.key)
        await drafting.save(session, made.key, {**draft.content, "role": "Mine"}, revision=draft.revision, actor=ACTOR)
    with pytest.raises(Conflict, match="begun to change it"):
        await configure(database, tenant)
    async with database.tenant_session(tenant) as session:
        await drafting.discard(session, made.key, revision=draft.revision + 1, actor=ACTOR)
    assert (await configure(database, tenant)).id == made.id
    async with database.tenant_session(tenant) as session:
        assert (await drafting.read(session, begun.key)).content["role"] == "Half done"


async def test_an_employee_of_a_file_is_configured_already(database: Database, office: Office) -> None:
    found = await progress(database, office.tenant_id)
    assert found.done == {"channel": True, "employee": True, "message": False}
    with pytest.raises(Conflict):
        await configure(database, office.tenant_id)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [({"start": "pirate"}, "Choose what it is to do"), ({"about": "x" * 4_001}, "more than 4,000 characters")],
)
async def test_what_cannot_be_used_is_said_and_changes_nothing(
    database: Database, tenant: UUID, given: dict[str, str], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        await configure(database, tenant, **given)
    assert await published(database, tenant) == []


async def test_the_third_step_is_an_answer_on_the_channel(database: Database, office: Office) -> None:
    await office.exchange("Hello?", "Hello!")
    assert (await progress(database, office.tenant_id)).current is None


async def test_a_channel_in_trouble_leads_nobody_back_to_the_first_step(database: Database, office: Office) -> None:
    await office.exchange("Hello?", "Hello!")
    async with office.session() as session:
        await session.execute(update(Connection).values(status="revoked", status_changed_at=utc_now()))
    assert (await progress(database, office.tenant_id)).is_over


async def test_only_without_a_channel_a_rehearsal_is_the_test(database: Database, office: Office) -> None:
    await office.exchange("Hello?", "Hello!")
    async with office.session() as session:
        await session.execute(update(Conversation).values(is_rehearsal=True))
        await session.execute(update(Connection).values(kind="rehearsal"))
    found = await progress(database, office.tenant_id)
    assert found.done == {"channel": False, "employee": True, "message": True}

    async with office.session() as session:
        session.add(
            Connection(
                tenant_id=office.tenant_id, key="new", kind="slack", account="-/T0NEW", employee_id=office.employee_id
            )
        )
    assert (await progress(database, office.tenant_id)).current == "message"


async def test_who_leaves_is_not_led_there_again(database: Database, tenant: UUID) -> None:
    async with database.tenant_session(tenant) as session:
        await onboarding.close(session, actor=ACTOR)
    found = await progress(database, tenant)
    assert (found.is_over, found.current) == (True, "channel")
