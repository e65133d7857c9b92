"""Contacts of Slack get the names that Slack knows them by: asked for once, whatever comes in between."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlmodel import col, select, update
from temporalio.testing import ActivityEnvironment

from activities.naming import Naming
from konstruct import contacts, inbox, naming
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_people import SlackPeople
from konstruct.db import Database
from konstruct.errors import ChannelError, ChannelRateLimited
from konstruct.inbox import Inbound
from konstruct.ports import ChannelAccount
from konstruct.tables import Contact
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.gateway.office import Office, add_workspace, open_office
from tests.support.office import Allowing
from tests.support.slack_double import SlackDouble


class Asked:
    """Slack, with who was asked for; ``troubles`` come instead of answers, one each."""

    def __init__(self, slack: SlackPeople) -> None:
        self.people: list[str] = []
        self.troubles: list[ChannelError] = []
        self._slack = slack

    async def called(self, account: ChannelAccount, person: str) -> str:
        self.people.append(person)
        if self.troubles:
            raise self.troubles.pop()
        return await self._slack.called(account, person)


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as slack:
        yield slack


@pytest.fixture
async def asked(slack: SlackDouble) -> AsyncIterator[Asked]:
    async with open_session() as session:
        yield Asked(SlackPeople(session, slack.api_url))


@pytest.fixture
async def office(database: Database, vault: Vault, slack: SlackDouble) -> Office:
    return await open_office(database, vault, add_workspace(slack))


@pytest.fixture
def learning(database: Database, vault: Vault, asked: Asked) -> Naming:
    return Naming(database, vault, {"slack": asked})


async def say(office: Office, person: str, number: int = 1) -> None:
    inbound = Inbound("C1", f"{person}.0", f"{person}-{number}", person, "Hello", tells_name=True)
    await inbox.accept(office.database, office.vault, Allowing(), office.ref, inbound)


async def run(learning: Naming) -> None:
    await ActivityEnvironment().run(learning.learn_names)


async def called(office: Office) -> dict[str, str]:
    rows = await office.rows(Contact)
    async with office.session() as session:
        names = await naming.names(session, office.vault, [row.id for row in rows])
    return {row.external_id: names[row.id] for row in rows}


async def change(office: Office, **values: object) -> None:
    async with office.session() as session:
        await session.execute(update(Contact).values(**values).where(col(Contact.erased_at).is_(None)))


async def test_who_wrote_gets_their_name_once(office: Office, learning: Naming, asked: Asked) -> None:
    office.workspace.users["UANA"] = "Ana Lucía"
    await say(office, "UANA")
    await run(learning)
    await say(office, "UANA", 2)
    await run(learning)

    assert await called(office) == {"UANA": "Ana Lucía"}
    assert asked.people.count("UANA") == 1
    async with office.session() as session:
        [contact_id] = await naming.find(session, office.vault, office.tenant_id, "lucia")
    assert contact_id is not None


async def test_whoever_writes_after_a_long_time_is_asked_for_again(
    office: Office, learning: Naming, asked: Asked
) -> None:
    office.workspace.users["UANA"] = "Ana"
    await say(office, "UANA")
    await run(learning)
    await change(office, named_at=utc_now() - naming.ASKED_AGAIN_AFTER - timedelta(seconds=1))
    office.workspace.users["UANA"] = "Ana Berg"
    await say(office, "UANA", 2)
    await run(learning)
    assert await called(office) == {"UANA": "Ana Berg"}


async def test_whom_slack_does_not_know_keeps_the_id_and_is_not_asked_for_again(
    office: Office, learning: Naming, asked: Asked
) -> None:
    await say(office, "UNOBODY")
    await run(learning)
    await say(office, "UNOBODY", 2)
    await run(learning)
    assert await called(office) == {"UNOBODY": "UNOBODY"}
    assert asked.people.count("UNOBODY") == 1


async def test_slack_that_asks_to_wait_is_asked_later(office: Office, learning: Naming, asked: Asked) -> None:
    office.workspace.users["UANA"] = "Ana"
    await say(office, "UANA")
    asked.troubles = [ChannelRateLimited("Wait.", timedelta(seconds=1))]
    await run(learning)
    await run(learning)
    assert asked.people.count("UANA") == 1
    await change(office, name_due_at=utc_now())
    await run(learning)
    assert await called(office) == {"UANA": "Ana"}


async def test_without_the_permission_nobody_is_asked_for_until_tomorrow(
    office: Office, learning: Naming, asked: Asked
) -> None:
    office.workspace.scopes = office.workspace.scopes - {"users:read"}
    office.workspace.users |= {"UANA": "Ana", "UBO": "Bo"}
    await say(office, "UANA")
    await say(office, "UBO")
    await run(learning)

    assert len([each for each in asked.people if each in ("UANA", "UBO")]) == 1
    assert await called(office) == {"UANA": "UANA", "UBO": "UBO"}
    due = [row.name_due_at for row in await office.rows(Contact)]
    assert all(each is not None and each > utc_now() + timedelta(hours=23) for each in due)


async def test_who_is_erased_meanwhile_gets_no_name(office: Office, vault: Vault, learning: Naming) -> None:
    office.workspace.users["UANA"] = "Ana"
    await say(office, "UANA")
    async with office.session() as session:
        [contact] = list(await session.scalars(select(Contact)))
        await contacts.erase(session, office.tenant_id, contact.id, actor="test")
    await run(learning)
    [row] = await office.rows(Contact)
    assert (row.sealed_name, row.name_due_at) == (None, None)
