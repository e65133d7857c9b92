"""Walls between people: what the product's login can do to another person, were its code to try."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from konstruct.accounts import ceremonies, linked_accounts, links, recovery_codes, sessions, team, tokens
from konstruct.accounts.id_tokens import Identity
from konstruct.db import Database
from konstruct.tables import Authenticator, Passkey
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.members import Enrolled, enrolled
from tests.support.office import Furnished
from tests.tenancy.attempts_on_factors import BETWEEN_PEOPLE, person
from tests.tenancy.conftest import OF_PEOPLE, Snapshot


@pytest.fixture(scope="module")
async def anna(database: Database, vault: Vault) -> Enrolled:
    return await _with_everything(database, await enrolled(database, vault))


@pytest.fixture(scope="module")
async def ben(database: Database, vault: Vault) -> Enrolled:
    return await _with_everything(database, await enrolled(database, vault))


async def _with_everything(database: Database, person: Enrolled) -> Enrolled:
    async with database.account_session(person.user_id) as session:
        await sessions.know_device(session, person.user_id, None)
        await links.make(session, person.user_id, "reset")
        session.add(Authenticator(user_id=person.user_id, sealed="…", confirmed_at=utc_now()))
        session.add(Passkey(user_id=person.user_id, credential_id=person.user_id.bytes, public_key=b"", name="Key"))
        linked = Identity("https://id.example", str(person.user_id), None, False, None)
        await linked_accounts.link(session, person.user_id, "id", linked)
        await recovery_codes.replace(session, person.user_id)
    return person


@asynccontextmanager
async def scoped(product: Any, *, person: UUID | str = "", tenant: UUID | str = "") -> AsyncIterator[None]:
    transaction = product.transaction()
    await transaction.start()
    try:
        await product.execute(
            "select set_config('app.user_id', $1, true), set_config('app.tenant_id', $2, true)",
            str(person),
            str(tenant),
        )
        yield
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("table", OF_PEOPLE)
async def test_a_person_sees_and_changes_what_is_theirs_alone(
    product: Any, anna: Enrolled, ben: Enrolled, table: str
) -> None:
    column = OF_PEOPLE[table]
    async with scoped(product, person=anna.user_id):
        assert {row[0] for row in await product.fetch(f"select {column} from {table}")} == {anna.user_id}
        update = f"update {table} set {column} = {column} where {column} = $1"
        assert await product.execute(update, ben.user_id) == "UPDATE 0"
        assert await product.execute(f"delete from {table} where {column} = $1", ben.user_id) == "DELETE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await product.execute(f"update {table} set {column} = $1", ben.user_id)


@pytest.mark.parametrize("table", OF_PEOPLE)
async def test_a_tenant_sees_no_rows_of_people_not_even_of_its_members(
    product: Any, anna: Enrolled, table: str
) -> None:
    async with scoped(product, tenant=anna.tenant_id):
        assert await product.fetchval(f"select count(*) from {table}") == 0
    async with scoped(product):
        assert await product.fetchval(f"select count(*) from {table}") == 0


async def test_memberships_are_told_to_their_person_and_their_tenant_alone(
    product: Any, database: Database, anna: Enrolled, ben: Enrolled
) -> None:
    async with scoped(product, person=anna.user_id):
        # The tables of tenants stay closed to a person; one look-up tells them where they belong.
        assert await product.fetchval("select count(*) from memberships") == 0
        assert [row["slug"] for row in await product.fetch("select * from my_memberships()")] == [anna.slug]
        assert await product.fetch("select * from tenant_members()") == []
    async with scoped(product, tenant=anna.tenant_id):
        assert await product.fetch("select * from my_memberships()") == []
    async with database.tenant_session(anna.tenant_id) as session:
        assert [(member.user_id, member.email) for member in await team.members(session)] == [
            (anna.user_id, anna.email)
        ]


@pytest.mark.parametrize("name", BETWEEN_PEOPLE)
async def test_a_person_does_nothing_to_what_another_signs_in_with(
    ours: Furnished, theirs: Furnished, snapshot: Snapshot, name: str
) -> None:
    attempt, expected = BETWEEN_PEOPLE[name]
    before = await snapshot(theirs)
    outcome: object = None
    try:
        async with ours.database.account_session(await person(ours, "owner")) as session:
            outcome = await attempt(session, ours, theirs)
    except Exception as error:
        outcome = type(error)
    if isinstance(expected, type):
        assert isinstance(outcome, type)
        assert issubclass(outcome, expected)
    else:
        assert outcome == expected
    assert await snapshot(theirs) == before


async def test_who_has_a_second_factor_is_told_to_their_tenant_alone(
    product: Any, ours: Furnished, theirs: Furnished
) -> None:
    """Which of its members, and not what it is."""
    query = "select * from members_with_second_factor()"
    for office in (ours, theirs):
        owner = await person(office, "owner")
        async with scoped(product, tenant=office.tenant_id):
            assert [tuple(row) for row in await product.fetch(query)] == [(owner,)]
        async with scoped(product, person=owner):
            assert await product.fetch(query) == []
    async with scoped(product):
        assert await product.fetch(query) == []


@pytest.mark.parametrize("function", ["look_at_ceremony", "take_ceremony"])
async def test_what_is_being_proven_is_told_sealed_and_to_the_browser_alone_that_it_began_in(
    product: Any, database: Database, vault: Vault, anna: Enrolled, function: str
) -> None:
    token = (await ceremonies.begin(database, vault, "factor", {"user_id": "canary"})).get_secret_value()
    query = f"select {function}($1, $2)"
    async with scoped(product, person=anna.user_id, tenant=anna.tenant_id):
        for held, kind in ((b"", "factor"), (tokens.digest(token[:-1]), "factor"), (tokens.digest(token), "passkey")):
            assert await product.fetchval(query, held, kind) is None
        told = await product.fetchval(query, tokens.digest(token), "factor")
    assert told
    assert "canary" not in told


@pytest.mark.parametrize("table", ["mails", "ceremonies"])
@pytest.mark.parametrize("statement", ["select * from {}", "update {} set sealed = ''", "delete from {}"])
async def test_what_is_of_nobody_is_read_by_nobody(product: Any, anna: Enrolled, table: str, statement: str) -> None:
    async with scoped(product, person=anna.user_id, tenant=anna.tenant_id):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await product.execute(statement.format(table))
