"""What a plan has no more room for is refused, with a sentence; of many at the last place one gets it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlmodel import col

from konstruct import connections, manifest, tenants
from konstruct.accounts import inviting, team
from konstruct.accounts.passwords import Passwords
from konstruct.billing import enforcing
from konstruct.db import Database
from konstruct.designs import archiving, drafting
from konstruct.errors import OverPlan
from konstruct.identity import new_id
from konstruct.tables import Connection, Employee, Invitation, Tenant
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.billed import bill
from tests.support.members import Enrolled, enrolled, make_user
from tests.support.office import Office

SITE = "https://portal.example"
AT_ONCE = 6


async def _create(office: Office, name: str = "Bo") -> Employee:
    async with office.session() as session:
        return await drafting.create(session, office.tenant_id, {"name": name}, actor="test")


async def _connect(office: Office, account: str, kind: str = "slack") -> None:
    async with office.session() as session:
        await connections.install(
            session,
            office.vault,
            office.tenant_id,
            key=account.lower(),
            kind=kind,
            account=account,
            external={"team_id": account},
            secrets={"bot_token": SecretStr("xoxb-1")},
            employee_key="ada",
            actor="test",
        )


async def _invite(office: Office, owner: Enrolled, email: str) -> None:
    async with office.session() as session:
        by = team.By(owner.user_id, "owner")
        await inviting.invite(session, office.vault, SITE, office.tenant_id, by, "Anna", email, "viewer")


async def _refused(attempt: Awaitable[object]) -> OverPlan:
    with pytest.raises(OverPlan) as refused:
        await attempt
    return refused.value


async def _at_once(attempt: Callable[[int], Awaitable[object]]) -> int:
    """Of so many at once, how many were let through; the others were told that the plan has no more."""
    outcomes = await asyncio.gather(*(attempt(number) for number in range(AT_ONCE)), return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, OverPlan)]
    others = [each for each in outcomes if isinstance(each, BaseException) and not isinstance(each, OverPlan)]
    assert not others
    return AT_ONCE - len(refused)


async def test_one_employee_more_than_the_plan_includes_is_refused(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id, limits={"employees": 2})
    await _create(office)

    refused = await _refused(_create(office, "Cy"))

    assert refused.what == "employees"
    assert str(refused) == (
        "Your plan includes 2 employees, and no more fits in. Archive one, or choose a larger plan."
    )
    assert len(await office.rows(Employee)) == 2


async def test_of_many_at_the_last_employee_one_is_let_through(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id, limits={"employees": 2})

    assert await _at_once(lambda number: _create(office, f"Bo {number}")) == 1


async def test_who_asks_twice_for_one_employee_is_given_it_though_the_plan_is_full(
    office: Office, database: Database
) -> None:
    await bill(database, office.tenant_id, limits={"employees": 2})
    chosen = new_id()
    for _ in range(2):
        async with office.session() as session:
            made = await drafting.create(session, office.tenant_id, {"name": "Bo"}, actor="test", employee_id=chosen)
            assert made.id == chosen


async def test_an_archived_employee_takes_a_place_again_when_it_is_restored(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id, limits={"employees": 2})
    keys = []
    for name in ("Bo", "Cy"):
        made = await _create(office, name)
        keys.append(made.key)
        async with office.session() as session:
            await archiving.archive(session, made.key, actor="test")

    async def restore(number: int) -> None:
        async with office.session() as session:
            await archiving.restore(session, keys[number % 2], actor="test")

    outcomes = await asyncio.gather(restore(0), restore(1), return_exceptions=True)
    assert [type(each) for each in outcomes if each is not None] == [OverPlan]


async def test_a_manifest_is_held_to_the_plan_and_applied_whole_or_not_at_all(
    office: Office, database: Database, vault: Vault
) -> None:
    await bill(database, office.tenant_id, limits={"employees": 2, "connections": 2})
    async with office.session() as session:
        slug = await session.scalar(select(col(Tenant.slug)))
    employee = "{{name: {0}, role: Desk, system_prompt: Be brief.}}"
    text = f"tenant: {slug}\nname: Acme\nemployees:\n  bo: {employee.format('Bo')}\n"

    await tenants.apply(database, vault, manifest.parse(text, "tenant.yaml", {}))
    await tenants.apply(database, vault, manifest.parse(text, "tenant.yaml", {}))
    more = text + f"  cy: {employee.format('Cy')}\n"
    assert (await _refused(tenants.apply(database, vault, manifest.parse(more, "tenant.yaml", {})))).what == "employees"
    slack = "kind: slack, bot_token: xoxb-1, bot_user_id: U012AB3CD, employee: bo"
    team_id = office.account.removeprefix("-/")
    more = text + f"connections:\n  one: {{{slack}, team_id: {team_id}1}}\n  two: {{{slack}, team_id: {team_id}2}}\n"
    refused = await _refused(tenants.apply(database, vault, manifest.parse(more, "tenant.yaml", {})))

    assert refused.what == "connections"
    assert len(await office.rows(Employee)) == 2
    assert len(await office.rows(Connection)) == 1


async def test_of_many_at_the_last_connection_one_is_let_through(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id, limits={"connections": 2})

    assert await _at_once(lambda number: _connect(office, f"{office.account}-{number}")) == 1
    refused = await _refused(_connect(office, f"{office.account}-z"))
    assert str(refused) == (
        "Your plan includes 2 channel accounts, and no more fits in. Disconnect one, or choose a larger plan."
    )


async def test_what_is_connected_is_connected_again_though_the_plan_is_full(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id, limits={"connections": 0}, status="unpaid")

    await _connect(office, office.account)

    assert [each.status for each in await office.rows(Connection)] == ["active"]


async def test_what_was_disconnected_takes_a_place_again(office: Office, database: Database) -> None:
    async with office.session() as session:
        former = {"former_account": office.account}
        await session.execute(
            update(Connection).values(status="disconnected", account="disconnected/1", external=former)
        )
    await bill(database, office.tenant_id, limits={"connections": 0})
    await _refused(_connect(office, office.account))

    await bill(database, office.tenant_id, limits={"connections": 1})
    await _connect(office, office.account)

    assert [each.status for each in await office.rows(Connection)] == ["active"]


async def test_a_number_takes_a_plan_with_whatsapp(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id, limits={"connections": 5})
    refused = await _refused(_connect(office, f"{office.account}-1", "whatsapp"))
    assert refused.what == "whatsapp"

    await bill(database, office.tenant_id, "starter")
    await _connect(office, f"{office.account}-1", "whatsapp")


async def test_of_many_at_the_last_seat_one_is_invited(office: Office, database: Database, vault: Vault) -> None:
    owner = await enrolled(database, vault, tenant=office.tenant_id)
    await bill(database, office.tenant_id, limits={"seats": 2})

    assert await _at_once(lambda number: _invite(office, owner, f"bo-{number}@example.com")) == 1

    [invited] = await office.rows(Invitation)
    await _invite(office, owner, invited.email)
    assert (await _refused(_invite(office, owner, "zoe@example.com"))).what == "seats"
    async with office.session() as session:
        await session.execute(update(Invitation).values(expires_at=utc_now() - timedelta(seconds=1)))
    await _invite(office, owner, "zoe@example.com")


async def test_who_was_invited_before_a_downgrade_finds_no_seat_and_may_come_back(
    office: Office, database: Database, vault: Vault
) -> None:
    owner = await enrolled(database, vault, tenant=office.tenant_id)
    await bill(database, office.tenant_id, "pro")
    people = {}
    for name in ("bo", "cy", "di"):
        email, user_id = f"{name}-{new_id().hex}@example.com", new_id()
        await make_user(database, user_id, email, name)
        people[email] = user_id
        await _invite(office, owner, email)
    invitations = {each.email: each for each in await office.rows(Invitation)}
    await bill(database, office.tenant_id, limits={"seats": 2})

    async def join(email: str) -> None:
        row = invitations[email]
        invited = inviting.Invited(office.tenant_id, row.id, "acme", "Acme", email, "viewer", True)
        await inviting.accept(database, invited, people[email], email)

    outcomes = await asyncio.gather(*(join(email) for email in people), return_exceptions=True)

    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "OverPlan", "OverPlan"]
    assert {str(each) for each in outcomes if each} == {enforcing.NO_SEAT}
    # Whoever found no seat has their invitation still.
    assert len(await office.rows(Invitation)) == 2


async def test_nobody_new_gets_an_account_without_a_seat(office: Office, database: Database, vault: Vault) -> None:
    owner = await enrolled(database, vault, tenant=office.tenant_id)
    await _invite(office, owner, "new@example.com")
    [row] = await office.rows(Invitation)
    await bill(database, office.tenant_id, limits={"seats": 1})
    invited = inviting.Invited(office.tenant_id, row.id, "acme", "Acme", row.email, "viewer", False)

    attempt = inviting.accept_anew(database, Passwords(), invited, "New", "four quiet lanterns", "UTC")
    await _refused(attempt)

    assert len(await office.rows(Invitation)) == 1


async def test_nothing_is_added_while_a_payment_is_overdue(office: Office, database: Database, vault: Vault) -> None:
    owner = await enrolled(database, vault, tenant=office.tenant_id)
    overdue: dict[str, Any] = {"status": "past_due", "past_due_since": utc_now() - timedelta(days=8)}
    await bill(database, office.tenant_id, "pro", limits={"employees": 9, "connections": 9, "seats": 9}, **overdue)

    attempts: list[Awaitable[object]] = [
        _create(office),
        _connect(office, f"{office.account}-1"),
        _invite(office, owner, "bo@example.com"),
    ]
    for attempt in attempts:
        assert str(await _refused(attempt)) == enforcing.OVERDUE

    await bill(database, office.tenant_id, "pro", status="past_due", past_due_since=utc_now() - timedelta(days=6))
    await _create(office)


async def test_a_business_that_is_not_billed_adds_what_it_wants(office: Office) -> None:
    assert await _at_once(lambda number: _create(office, f"Bo {number}")) == AT_ONCE
