"""What people are shown of who a contact is, and how they find one."""

import secrets
from uuid import UUID

import pytest
from sqlmodel import col, select

from konstruct import contacts, inbox, naming
from konstruct.aliases import Names
from konstruct.db import Database
from konstruct.inbox import Inbound
from konstruct.tables import Contact, ContactWord
from konstruct.vault import Vault
from tests.support.office import Allowing, Office, open_office


@pytest.fixture
async def number(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault, kind="whatsapp", account=secrets.token_hex(8))


async def say(office: Office, name: str = "", *, lasting: str = "", number: str = "") -> UUID:
    """Gives who said it."""
    names = Names(lasting, number)
    inbound = Inbound("N1", names.key, secrets.token_hex(8), names.key, "Hello?", names=names, name=name)
    accepted = await inbox.accept(office.database, office.vault, Allowing(), office.ref, inbound)
    return next(row.contact_id for row in await office.messages() if row.id == accepted.message_id and row.contact_id)


async def named(office: Office, contact_id: UUID) -> str:
    async with office.session() as session:
        return await naming.name(session, office.vault, contact_id)


async def find(office: Office, text: str) -> list[UUID]:
    async with office.session() as session:
        return await naming.find(session, office.vault, office.tenant_id, text)


async def test_a_contact_is_called_as_they_call_themselves_last(number: Office) -> None:
    ana = await say(number, "Ana Lucía", number="16505551234")
    assert await named(number, ana) == "Ana Lucía"
    await say(number, "", number="16505551234")
    assert await named(number, ana) == "Ana Lucía"
    await say(number, "Ana L.", number="16505551234")
    assert await named(number, ana) == "Ana L."


async def test_one_who_says_no_name_is_known_by_the_number(number: Office) -> None:
    by_number = await say(number, number="491701234567")
    by_both = await say(number, lasting="US.13491208655302741918", number="16505551234")
    by_id = await say(number, lasting="US.99991208655302741918")

    assert await named(number, by_number) == "+49 170 123 4567"
    assert await named(number, by_both) == "+1 650 555 1234"
    assert await named(number, by_id) == f"Contact {by_id.hex[-8:]}"


async def test_one_of_slack_is_known_by_the_id_until_the_name_is_there(office: Office) -> None:
    asked = await office.say(contact="U12345")
    [message] = [row for row in await office.messages() if row.id == asked.message_id]
    assert message.contact_id is not None
    assert await named(office, message.contact_id) == "U12345"


async def test_nothing_is_left_of_the_name_of_one_who_was_erased(number: Office) -> None:
    ana = await say(number, "Ana Lucía", number="16505551234")
    async with number.session() as session:
        await contacts.erase(session, number.tenant_id, ana, actor="test")

    assert await named(number, ana) == naming.ERASED
    async with number.session() as session:
        assert (await session.scalars(select(col(ContactWord.digest)))).all() == []
    [row] = await number.rows(Contact)
    assert (row.sealed_name, row.named_at, row.name_due_at) == (None, None, None)
    assert await find(number, "ana") == []


async def test_several_are_named_at_once(number: Office) -> None:
    ids = [await say(number, name, number=f"1650555123{place}") for place, name in enumerate(["Ana", "", "Bo"])]
    async with number.session() as session:
        found = await naming.names(session, number.vault, ids)
    assert [found[each] for each in ids] == ["Ana", "+1 650 555 1231", "Bo"]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("ana", True),
        ("LUCIA", True),
        ("luc an", True),
        ("ana garcia", False),
        ("+1 (650) 555-1234", True),
        ("16505551234", True),
        ("0016505551234", True),
        ("16505551235", False),
        ("a", False),
        ("cía", False),
        ("", False),
    ],
)
async def test_a_contact_is_found_by_what_somebody_types(number: Office, text: str, is_found: bool) -> None:
    ana = await say(number, "Ana Lucía", lasting="US.13491208655302741918", number="16505551234")
    await say(number, "Bo", number="4912345678")
    assert await find(number, text) == ([ana] if is_found else [])


async def test_a_contact_is_found_by_either_id(number: Office) -> None:
    ana = await say(number, "Ana", lasting="US.13491208655302741918")
    assert await find(number, str(ana)) == [ana]
    assert await find(number, "US.13491208655302741918") == [ana]


async def test_one_is_not_found_by_a_name_they_no_longer_have(number: Office) -> None:
    ana = await say(number, "Ana Lucía", number="16505551234")
    await say(number, "Maria", number="16505551234")
    assert await find(number, "lucia") == []
    assert await find(number, "maria") == [ana]


async def test_names_are_kept_sealed(number: Office) -> None:
    await say(number, "Ana Lucía", number="16505551234")
    [row] = await number.rows(Contact)
    assert row.sealed_name is not None
    assert b"Ana" not in row.sealed_name
    async with number.session() as session:
        digests = (await session.scalars(select(col(ContactWord.digest)))).all()
    assert len(digests) == 6
    assert all(len(digest) == 32 for digest in digests)


async def test_the_same_word_of_another_tenant_is_another_digest(
    number: Office, database: Database, vault: Vault
) -> None:
    other = await open_office(database, vault, kind="whatsapp", account=secrets.token_hex(8))
    words = []
    for office in (number, other):
        await say(office, "Ana", number="16505551234")
        async with office.session() as session:
            words.append(set((await session.scalars(select(col(ContactWord.digest)))).all()))
    assert not words[0] & words[1]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Ana \n\t Lucía ", "Ana Lucía"),
        ("\u202egnihton\u202c", "gnihton"),
        ("\u200b\u200d\u2060", ""),
        ("👩\u200d💻 Ana", "👩\u200d💻 Ana"),
        ("x" * 100, "x" * 80),
        ("Ana\0", "Ana"),
        ("\ud83d", "?"),
    ],
    ids=["spaces", "turned", "invisible", "emoji", "long", "nul", "half"],
)
def test_a_name_fits_into_a_line(given: str, kept: str) -> None:
    assert naming.clean(given) == kept


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("16505551234", "+1 650 555 1234"),
        ("491701234567", "+49 170 123 4567"),
        ("447911123456", "+44 791 112 3456"),
        ("3581234567", "+358 123 4567"),
        ("79161234567", "+7 916 123 4567"),
        ("4912345", "+49 12345"),
        ("4912345678", "+49 1234 5678"),
        ("491234567", "+49 123 4567"),
        ("49123456789012", "+49 123 456 789 012"),
        ("4912345678901", "+49 123 4567 8901"),
    ],
)
def test_a_number_is_read_in_groups(number: str, shown: str) -> None:
    assert naming.formatted(number) == shown
