"""One person is one contact, by whichever of their names a channel tells of them."""

import asyncio
import secrets

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlmodel import col, select

from konstruct import aliases, connections, contacts, inbox, quarantine
from konstruct.aliases import Names
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.inbox import Accepted, Inbound
from konstruct.tables import Contact, ContactAlias, Conversation
from konstruct.vault import Vault
from tests.support.office import Allowing, Office, open_office

BSUID, OTHER_BSUID = "US.13491208655302741918", "US.99991208655302741918"
WA_ID, OTHER_WA_ID = "16505551234", "12195555358"


@pytest.fixture
async def number(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault, kind="whatsapp", account=secrets.token_hex(8))


async def say(office: Office, lasting: str = "", number: str = "", text: str = "Hello?") -> Accepted:
    names = Names(lasting, number)
    inbound = Inbound("N1", names.key, secrets.token_hex(8), names.key, text, names=names)
    return await inbox.accept(office.database, office.vault, Allowing(), office.ref, inbound)


async def rename(office: Office, before: Names, now: Names) -> bool:
    async with office.session() as session:
        return await aliases.rename(session, office.vault, office.ref, before, now)


async def keys(office: Office) -> set[str]:
    return {contact.external_id for contact in await office.rows(Contact)}


async def test_both_names_lead_to_one_contact_and_one_conversation(number: Office) -> None:
    first = await say(number, BSUID, WA_ID)
    by_number = await say(number, "", WA_ID)
    by_lasting = await say(number, BSUID, "")

    assert {first.conversation_id} == {by_number.conversation_id, by_lasting.conversation_id}
    assert await keys(number) == {BSUID}


async def test_who_was_known_by_a_number_alone_is_known_by_the_lasting_name_once_it_is_told(number: Office) -> None:
    first = await say(number, "", WA_ID)
    assert await keys(number) == {WA_ID}
    second = await say(number, BSUID, WA_ID)

    assert first.conversation_id == second.conversation_id
    assert await keys(number) == {BSUID}
    [conversation] = await number.rows(Conversation)
    assert conversation.root == BSUID


async def test_a_number_that_passed_to_somebody_else_brings_them_nothing_of_its_former_owner(number: Office) -> None:
    before = await say(number, BSUID, WA_ID)
    after = await say(number, OTHER_BSUID, WA_ID)
    by_number = await say(number, "", WA_ID)
    still = await say(number, BSUID, OTHER_WA_ID)

    assert before.conversation_id != after.conversation_id
    assert by_number.conversation_id == after.conversation_id
    assert still.conversation_id == before.conversation_id
    assert len({contact.person_id for contact in await number.rows(Contact)}) == 2


async def test_two_contacts_that_turn_out_to_be_one_person_are_joined(number: Office) -> None:
    by_number = await say(number, "", WA_ID)
    await say(number, BSUID, "")
    both = await say(number, BSUID, WA_ID)

    assert both.conversation_id != by_number.conversation_id
    assert len({contact.person_id for contact in await number.rows(Contact)}) == 1
    assert "contact.joined" in await number.actions()
    assert (await say(number, "", WA_ID)).conversation_id == both.conversation_id


async def test_a_changed_name_keeps_the_conversation(number: Office) -> None:
    before = await say(number, BSUID, WA_ID)

    assert await rename(number, Names(BSUID), Names(OTHER_BSUID))
    assert await rename(number, Names("", WA_ID), Names("", OTHER_WA_ID))
    assert (await say(number, OTHER_BSUID, "")).conversation_id == before.conversation_id
    assert (await say(number, "", OTHER_WA_ID)).conversation_id == before.conversation_id
    assert await keys(number) == {OTHER_BSUID}
    # The number is free for somebody else.
    assert (await say(number, "", WA_ID)).conversation_id != before.conversation_id


async def test_a_change_that_is_told_after_they_wrote_under_the_new_name_makes_them_one_person(number: Office) -> None:
    before = await say(number, BSUID, "")
    after = await say(number, OTHER_BSUID, "")

    assert await rename(number, Names(BSUID), Names(OTHER_BSUID))
    assert before.conversation_id != after.conversation_id
    assert len({contact.person_id for contact in await number.rows(Contact)}) == 1


async def test_a_number_changes_to_one_that_a_former_contact_is_still_filed_under(number: Office) -> None:
    await say(number, "", WA_ID)
    await say(number, BSUID, "")
    await say(number, BSUID, WA_ID)  # Makes the two one person, who is found by the lasting name from now on,
    await rename(number, Names("", WA_ID), Names("", OTHER_WA_ID))  # and whose number becomes free.
    stranger = await say(number, "", "15550001111")

    assert await rename(number, Names("", "15550001111"), Names("", WA_ID))
    assert (await say(number, "", WA_ID)).conversation_id == stranger.conversation_id


async def test_a_change_of_somebody_unknown_is_nothing(number: Office) -> None:
    assert not await rename(number, Names(BSUID), Names(OTHER_BSUID))
    assert await keys(number) == set()


async def test_many_first_messages_at_once_make_one_contact(number: Office) -> None:
    names = [(BSUID, WA_ID), ("", WA_ID), (BSUID, "")] * 4
    # The person's first message says both; without it a name alone cannot be told from a stranger's.
    await asyncio.gather(*(say(number, *each) for each in names))

    last = await say(number, BSUID, WA_ID)
    assert (await say(number, "", WA_ID)).conversation_id == last.conversation_id
    assert len({contact.person_id for contact in await number.rows(Contact)}) == 1


async def test_messages_that_join_contacts_wait_for_those_that_are_being_written(number: Office) -> None:
    # Each round makes two contacts and then, at once, tells that they are one and goes on writing to both.
    for round_ in range(8):
        lasting, wa_id = f"US.{round_}{secrets.randbelow(10**15)}", f"1650{secrets.randbelow(10**7):07}"
        await asyncio.gather(say(number, "", wa_id), say(number, lasting, ""))
        both = [(lasting, ""), (lasting, wa_id), ("", wa_id)] * 8
        accepted = await asyncio.gather(*(say(number, *each) for each in both))
        assert {each.is_new for each in accepted} == {True}


async def test_a_name_is_kept_nowhere_in_the_clear(number: Office, owner_url: SecretStr) -> None:
    await say(number, BSUID, WA_ID)

    connection = await asyncpg.connect(owner_url.get_secret_value())
    try:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        holding = set()
        for (table,) in tables:
            query = f"select exists (select from {table} t where t::text like any($1) and t::text like $2)"
            patterns = [f"%{WA_ID}%", f"%{WA_ID.encode().hex()}%"]
            if await connection.fetchval(query, patterns, f"%{number.tenant_id}%"):
                holding.add(table)
        assert holding == set()
    finally:
        await connection.close()


async def test_an_erased_contact_leaves_no_name_and_comes_back_as_a_stranger(number: Office) -> None:
    before = await say(number, BSUID, WA_ID)
    async with number.session() as session:
        found = await contacts.find(session, BSUID)
        assert sorted(await aliases.names_of(session, number.vault, [found.contact_id])) == sorted(
            [(found.contact_id, BSUID), (found.contact_id, WA_ID)]
        )
    async with number.session() as session:
        await contacts.erase(session, number.tenant_id, found.contact_id, actor="test")

    assert await number.rows(ContactAlias) == []
    assert not await rename(number, Names(BSUID), Names(OTHER_BSUID))
    after = await say(number, "", WA_ID)
    assert after.conversation_id != before.conversation_id


async def test_on_two_channels_somebody_is_two_contacts_until_an_operator_joins_them(number: Office) -> None:
    async with number.session() as session:
        slack_id = await connections.install(
            session,
            number.vault,
            number.tenant_id,
            key="slack",
            kind="slack",
            account=f"-/T{secrets.token_hex(6)}",
            external={},
            secrets={},
            employee_key="ada",
            actor="test",
        )
    await say(number, BSUID, WA_ID)
    at_slack = ConnectionRef(number.tenant_id, slack_id)
    inbound = Inbound("C1", "1.0", secrets.token_hex(8), "U1", "Hello?")
    await inbox.accept(number.database, number.vault, Allowing(), at_slack, inbound)

    async with number.session() as session:
        one, other = await contacts.find(session, BSUID), await contacts.find(session, "U1")
        assert one.person_id != other.person_id
        assert await contacts.join(session, number.tenant_id, one.contact_id, other.contact_id, actor="test")
    # What the channel says afterwards does not part them.
    await say(number, BSUID, OTHER_WA_ID)
    await rename(number, Names(BSUID), Names(OTHER_BSUID))
    assert len({contact.person_id for contact in await number.rows(Contact)}) == 1
    assert len(await number.rows(Contact)) == 2


async def test_digests_of_two_tenants_do_not_compare(number: Office, database: Database, vault: Vault) -> None:
    other = await open_office(database, vault, kind="whatsapp", account=secrets.token_hex(8))
    await say(number, BSUID, WA_ID)
    await say(other, BSUID, WA_ID)

    ours, theirs = [{row.digest for row in await office.rows(ContactAlias)} for office in (number, other)]
    assert len(ours) == len(theirs) == 2
    assert not ours & theirs


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.lists(
        st.tuples(st.sampled_from(["", "US.A", "US.B"]), st.sampled_from(["", "11111", "22222"])).filter(any),
        min_size=1,
        max_size=8,
    )
)
async def test_whatever_is_said_in_whatever_order_a_lasting_name_is_one_contact(
    said: list[tuple[str, str]], database: Database, vault: Vault
) -> None:
    office = await open_office(database, vault, kind="whatsapp", account=secrets.token_hex(8))
    of_lasting: dict[str, object] = {}
    for lasting, number in said:
        accepted = await say(office, lasting, number)
        if lasting:
            assert of_lasting.setdefault(lasting, accepted.conversation_id) == accepted.conversation_id
    async with office.session() as session:
        rows = (await session.execute(select(col(ContactAlias.digest)))).all()
        external = list(await session.scalars(select(col(Contact.external_id))))
    assert len(rows) == len({name for names in said for name in names if name})
    assert len(set(external)) == len(external)
    assert len(set(of_lasting.values())) == len(of_lasting)


async def test_what_was_kept_aside_of_an_erased_contact_goes_by_any_of_their_names(
    number: Office, database: Database, owner_url: SecretStr
) -> None:
    lasting, wa_id = f"US.{secrets.token_hex(10)}", str(secrets.randbelow(10**14) + 10**14)
    await say(number, lasting, wa_id)
    for name in (lasting, wa_id):
        await quarantine.keep(database, channel="whatsapp", reason="odd", body=f'{{"from": "{name}"}}'.encode())
    async with number.session() as session:
        found = await contacts.find(session, lasting)
        names = [("whatsapp", name) for _, name in await aliases.names_of(session, number.vault, [found.contact_id])]
    async with number.session() as session:
        erased = await contacts.erase(session, number.tenant_id, found.contact_id, actor="test")
    await contacts.forget_quarantined_of(database, erased, names)

    connection = await asyncpg.connect(owner_url.get_secret_value())
    try:
        # What other tests kept aside may be no text.
        bodies = [row["body"] for row in await connection.fetch("select body from quarantined_events")]
    finally:
        await connection.close()
    assert not [body for body in bodies if lasting.encode() in body or wa_id.encode() in body]
