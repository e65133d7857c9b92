"""Publishing: what was seen and nothing else becomes a version, and any version can be gone back to."""

import asyncio
from uuid import UUID

import pytest
from sqlmodel import col, select

from konstruct import employees
from konstruct.db import Database
from konstruct.designs import archiving, drafting, publishing, serving, versions
from konstruct.designs.content import of_version
from konstruct.designs.drafting import Draft, Overtaken
from konstruct.designs.publishing import Published
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.tables import EmployeeBinding
from konstruct.vault import Vault
from tests.konstruct.designs.studio import ANA, BEN, Studio
from tests.konstruct.test_tenants import Acme


async def test_what_is_published_serves_from_then_on_with_who_and_why(studio: Studio) -> None:
    asked = await studio.office.say()
    await studio.save(name="Ida", language="de")

    done = await studio.publish(note=" She is called Ida now. ", by=BEN)

    assert done == Published(2, ["name", "language"])
    async with studio.office.session() as session:
        version = await employees.serving(session, asked.conversation_id)
    assert (version.name, version.published_by, version.note) == ("Ida", BEN, "She is called Ida now.")
    assert "Answer what was last asked, in German, whatever" in employees.system_prompt(version, "Acme")
    assert employees.system_prompt(version, "Acme", short=True).endswith("Be brief.\nAnswer in German.")
    draft = await studio.read()
    assert (draft.is_open, draft.was_discarded, draft.published_version) == (False, False, 2)
    [event] = await studio.office.events("employee.published")
    assert (event.actor, event.detail["version"], event.detail["version_before"]) == (BEN, 2, 1)
    assert event.detail["changes"]["language"] == {"before": "", "after": "de"}


async def test_only_what_was_seen_is_published(studio: Studio) -> None:
    with pytest.raises(BadInput, match="Nothing differs from version 1"):
        await studio.publish()
    await studio.save(name="Ida")
    assert isinstance(await studio.publish(revision=0), Overtaken)
    with pytest.raises(Conflict, match="Version 1 was published meanwhile"):
        await studio.publish(over=0)
    with pytest.raises(BadInput, match="note is longer"):
        await studio.publish(note="x" * 501)
    assert (await studio.read()).published_version == 1


async def test_of_several_who_publish_at_once_one_does(studio: Studio) -> None:
    await studio.save(name="Ida")
    outcomes = await asyncio.gather(*(studio.publish(revision=1, over=1) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, Published) for each in outcomes) == 1
    assert all(isinstance(each, Published | Overtaken | Conflict) for each in outcomes)
    async with studio.office.session() as session:
        assert len(await versions.every(session, studio.office.employee_id)) == 2


async def test_going_back_is_a_new_version_with_the_old_content_and_leaves_the_draft(studio: Studio) -> None:
    await studio.save(name="Ida", hours={"mon": "09:00-17:00"}, knowledge=[])
    await studio.publish()
    await studio.save(role="Sales")

    async with studio.office.session() as session:
        done = await publishing.roll_back(session, "ada", 1, over=2, note="Hasty.", actor=BEN)

    assert done == Published(3, ["name", "hours"])
    async with studio.office.session() as session:
        [third, second, first] = await versions.every(session, studio.office.employee_id)
    assert of_version(third) == of_version(first) != of_version(second)
    assert (third.restored_from, third.note, third.published_by) == (1, "Hasty.", BEN)
    draft = await studio.read()
    assert (draft.is_open, draft.is_behind, draft.content["role"], draft.base_version) == (True, True, "Sales", 2)
    assert len(await studio.office.events("employee.rolled_back")) == 1
    async with studio.office.session() as session:
        with pytest.raises(BadInput, match="nothing to go back to"):
            await publishing.roll_back(session, "ada", 1, over=3, actor=BEN)
        with pytest.raises(Conflict, match="Version 3 was published meanwhile"):
            await publishing.roll_back(session, "ada", 2, over=2, actor=BEN)
        with pytest.raises(NotFound):
            await publishing.roll_back(session, "ada", 9, over=3, actor=BEN)


async def test_a_draft_that_is_behind_takes_in_what_it_left_alone(studio: Studio) -> None:
    await studio.save(role="Sales")
    draft = await studio.read()
    async with studio.office.session() as session:
        employee = await drafting.locked(session, "ada")
        published = {**of_version(await versions.called(session, employee.id, 1)), "role": "Shop", "persona": "Gruff."}
        await publishing.add_version(session, employee, published, actor="operator")

    async with studio.office.session() as session:
        taken = await drafting.take_in(session, "ada", revision=draft.revision, actor=ANA)

    assert isinstance(taken, Draft)
    assert (taken.content["role"], taken.content["persona"]) == ("Sales", "Gruff.")
    assert (taken.is_behind, taken.is_open, taken.base_version) == (False, True, 2)


async def test_a_file_publishes_beside_a_draft_and_neither_loses(database: Database, vault: Vault) -> None:
    acme = Acme(database, vault)
    await acme.apply()
    tenant_id = await acme.id()
    async with database.tenant_session(tenant_id) as session:
        draft = await drafting.read(session, "ada")
        saved = await drafting.save(session, "ada", {**draft.content, "name": "Ida"}, revision=0, actor=ANA)
        assert isinstance(saved, Draft)

    acme.change("system_prompt: Be brief.", "system_prompt: Be long.\n    language: de\n    hours: {mon: 09:00-17:00}")
    assert await acme.apply() == ["~ employee ada: version 2 (language, system_prompt, hours)"]

    async with database.tenant_session(tenant_id) as session:
        draft = await drafting.read(session, "ada")
        assert (draft.is_behind, draft.content["name"], draft.content["system_prompt"]) == (True, "Ida", "Be brief.")
        assert (await versions.called(session, draft.employee_id, 2)).hours == {"mon": "09:00-17:00"}
        await publishing.publish(session, "ada", revision=draft.revision, over=2, actor=ANA)
    assert await acme.apply() == ["~ employee ada: version 4 (name, language, system_prompt, hours)"]
    assert await acme.apply() == []
    async with database.tenant_session(tenant_id) as session:
        assert not (await drafting.read(session, "ada")).is_open


async def test_a_file_that_publishes_what_is_in_the_draft_is_the_end_of_it(database: Database, vault: Vault) -> None:
    acme = Acme(database, vault)
    await acme.apply()
    async with database.tenant_session(await acme.id()) as session:
        draft = await drafting.read(session, "ada")
        await drafting.save(session, "ada", {**draft.content, "role": "Shop"}, revision=0, actor=ANA)
    acme.change("role: Front desk", "role: Shop")
    await acme.apply()
    async with database.tenant_session(await acme.id()) as session:
        assert not (await drafting.read(session, "ada")).is_open


async def test_who_serves_is_not_archived_and_who_is_archived_does_not_serve(database: Database, vault: Vault) -> None:
    acme = Acme(database, vault)
    await acme.apply()
    tenant_id = await acme.id()
    async with database.tenant_session(tenant_id) as session:
        with pytest.raises(Conflict, match=r"It serves main-slack, test\. Give these to another"):
            await archiving.archive(session, "ada", actor=ANA)
        with pytest.raises(Conflict, match="It serves main-slack/C1"):
            await archiving.archive(session, "bert", actor=ANA)
    async with database.tenant_session(tenant_id) as session:
        await serving.serve(session, "bert", "main-slack", actor=ANA)
        await serving.serve(session, "bert", "test", actor=ANA)
        await archiving.archive(session, "ada", actor=ANA)
    async with database.tenant_session(tenant_id) as session:
        for refused in (
            serving.serve(session, "ada", "test", actor=ANA),
            serving.bind(session, "ada", "main-slack", "C2", actor=ANA),
            publishing.publish(session, "ada", revision=0, over=1, actor=ANA),
            publishing.roll_back(session, "ada", 1, over=1, actor=ANA),
        ):
            with pytest.raises(Conflict, match="archived"):
                await refused
    # A file that names it wants it again.
    assert "~ employee ada: restored" in await acme.apply()
    actions = [event.action for event in await acme.audit()]
    assert (actions.count("employee.archived"), actions.count("employee.restored")) == (1, 1)


async def test_a_channel_is_served_by_whom_it_was_given_to_and_given_back(database: Database, vault: Vault) -> None:
    acme = Acme(database, vault)
    await acme.apply()
    tenant_id = await acme.id()
    connection = await acme.connection()

    async def bound() -> dict[str, UUID]:
        async with database.tenant_session(tenant_id) as session:
            rows = await session.scalars(
                select(EmployeeBinding).where(col(EmployeeBinding.connection_id) == connection.id)
            )
            return {row.channel: row.employee_id for row in rows}

    async with database.tenant_session(tenant_id) as session:
        await serving.bind(session, "ada", "main-slack", "C1", actor=ANA)
        await serving.bind(session, "bert", "main-slack", "C2", actor=ANA)
        ada = (await drafting.read(session, "ada")).employee_id
    assert (await bound())["C1"] == ada
    async with database.tenant_session(tenant_id) as session:
        with pytest.raises(NotFound, match="does not serve"):
            await serving.unbind(session, "bert", "main-slack", "C1", actor=ANA)
        await serving.unbind(session, "ada", "main-slack", "C1", actor=ANA)
        with pytest.raises(BadInput, match="channel's id is like"):
            await serving.bind(session, "ada", "main-slack", "#general", actor=ANA)
        with pytest.raises(BadInput, match="Only Slack"):
            await serving.bind(session, "ada", "test", "C3", actor=ANA)
        with pytest.raises(NotFound):
            await serving.serve(session, "ada", "nowhere", actor=ANA)
    assert set(await bound()) == {"C2"}


async def test_who_was_never_published_serves_nobody(studio: Studio) -> None:
    key = await studio.hire()
    async with studio.office.session() as session:
        with pytest.raises(Conflict, match="never published"):
            await serving.serve(session, key, "slack", actor=ANA)
