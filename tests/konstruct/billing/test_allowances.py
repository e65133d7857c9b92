"""What of a plan is used: counted from what there is."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import update

from konstruct.billing import allowances, entitlements
from konstruct.billing.allowances import Allowance
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.knowledge import documents
from konstruct.tables import Connection, Employee, Invitation, KnowledgeDocument, PlanMonth, Tenant
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.billed import bill
from tests.support.members import enrolled
from tests.support.office import Office, furnish, hire, open_office


async def _allowances(office: Office, now: datetime | None = None) -> dict[str, Allowance]:
    async with office.session() as session:
        found = await allowances.of(session, await entitlements.of(session), now)
    return {each.limit: each for each in found}


async def test_what_there_is_is_counted(database: Database, vault: Vault) -> None:
    office = await furnish(await open_office(database, vault))
    await bill(database, office.tenant_id, "starter")
    await enrolled(database, vault, tenant=office.tenant_id)
    async with office.session() as session:
        await hire(session, office.tenant_id, "bo", "Bo")
        session.add(PlanMonth(tenant_id=office.tenant_id, month=date(2026, 11, 1), messages=7))

    found = await _allowances(office, datetime(2026, 11, 30, 12, tzinfo=UTC))

    assert found["employees"] == Allowance("employees", 2, 3)
    assert found["connections"] == Allowance("connections", 1, 3)
    assert found["messages"] == Allowance("messages", 7, 2_000)
    assert found["seats"] == Allowance("seats", 1, 5)
    assert found["knowledge_mb"] == Allowance("knowledge_mb", len("Canary passage"), 200_000_000)
    assert found["retention_days"] == Allowance("retention_days", None, 365)


async def test_what_serves_nobody_any_more_is_not_counted(database: Database, vault: Vault) -> None:
    office = await open_office(database, vault)
    async with office.session() as session:
        await session.execute(update(Connection).values(status="disconnected"))
        await session.execute(update(Employee).values(archived_at=utc_now()))

    found = await _allowances(office)

    assert (found["employees"].used, found["connections"].used) == (0, 0)


async def test_what_the_product_itself_connects_is_not_counted(database: Database, vault: Vault) -> None:
    office = await open_office(database, vault, kind="console")

    assert (await _allowances(office))["connections"].used == 0


async def test_an_invitation_holds_a_seat_for_as_long_as_it_is_good(database: Database, vault: Vault) -> None:
    office = await open_office(database, vault)
    await enrolled(database, vault, tenant=office.tenant_id)
    now = utc_now()
    async with office.session() as session:
        for email, expires_at in (("a@example.com", now + timedelta(days=1)), ("b@example.com", now)):
            session.add(
                Invitation(
                    tenant_id=office.tenant_id, email=email, role="viewer", digest=new_id().bytes, expires_at=expires_at
                )
            )

    assert (await _allowances(office, now))["seats"].used == 2


async def test_months_are_those_of_the_business(database: Database, vault: Vault) -> None:
    office = await open_office(database, vault)
    async with office.session() as session:
        await session.execute(update(Tenant).values(time_zone="Pacific/Auckland"))
        session.add(PlanMonth(tenant_id=office.tenant_id, month=date(2026, 11, 1), messages=3))
        session.add(PlanMonth(tenant_id=office.tenant_id, month=date(2026, 12, 1), messages=4))

    assert (await _allowances(office, datetime(2026, 11, 30, 10, tzinfo=UTC)))["messages"].used == 3
    assert (await _allowances(office, datetime(2026, 11, 30, 12, tzinfo=UTC)))["messages"].used == 4


async def test_a_document_that_is_gone_takes_no_room(database: Database, vault: Vault) -> None:
    office = await furnish(await open_office(database, vault))
    assert [each.text_bytes for each in await office.rows(KnowledgeDocument)] == [len("Canary passage")]
    async with office.session() as session:
        await documents.remove(session, office.tenant_id, "files", "canary.md", "test")

    assert (await _allowances(office))["knowledge_mb"].used == 0


async def test_a_business_that_is_not_billed_has_no_limits(database: Database, vault: Vault) -> None:
    office = await open_office(database, vault)

    assert {each.most for each in (await _allowances(office)).values()} == {None}
    assert not any(each.is_near or each.is_full or each.is_over for each in (await _allowances(office)).values())


def test_how_far_it_is_used_up() -> None:
    assert Allowance("messages", 159, 200).is_near is False
    assert Allowance("messages", 160, 200).is_near
    assert Allowance("messages", 200, 200).is_full
    assert not Allowance("messages", 200, 200).is_over
    assert Allowance("employees", 3, 1).is_over
    assert Allowance("employees", 0, 0).is_full
    assert Allowance("retention_days", None, 30).is_over
    assert Allowance("retention_days", 90, 30).is_over
    assert Allowance("retention_days", 30, 30).percent is None
