"""What a plan does not include, in the portal: refused with a sentence, and told on Home."""

import secrets
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr
from sqlmodel import select

from konstruct import retention, tenants
from konstruct.accounts import inviting, team
from konstruct.billing import allowances, enforcing
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tables import BillingAccount, PlanMonth
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.portal.channels import sign_in
from tests.portal.conftest import browser
from tests.portal.test_home import home, told
from tests.portal.test_team import token_of
from tests.support.billed import bill
from tests.support.members import PASSWORD, Enrolled, enrolled
from tests.support.office import Office


@pytest.fixture
async def owner(office: Office, portal: httpx.AsyncClient) -> Enrolled:
    person = await enrolled(office.database, office.vault, tenant=office.tenant_id)
    sign_in(portal, person)
    return person


async def test_the_trail_is_exported_where_the_plan_includes_it(
    office: Office, database: Database, portal: httpx.AsyncClient, owner: Enrolled
) -> None:
    await bill(database, office.tenant_id, "starter")
    answer = await portal.post(f"/t/{owner.slug}/audit/export")
    assert answer.status_code == 402
    assert "Exporting the audit trail is not part of your plan." in answer.text

    await bill(database, office.tenant_id, "pro")
    assert (await portal.post(f"/t/{owner.slug}/audit/export")).status_code == 200


async def test_somebody_invited_who_finds_no_seat_reads_whom_to_ask(
    office: Office, database: Database, vault: Vault, portal: httpx.AsyncClient, owner: Enrolled
) -> None:
    email = f"emil-{secrets.token_hex(4)}@example.com"
    async with office.session() as session:
        by = team.By(owner.user_id, "owner")
        await inviting.invite(session, vault, "https://x", office.tenant_id, by, "Anna", email, "viewer")
    token = await token_of(database, vault, email)
    await bill(database, office.tenant_id, limits={"seats": 1})
    portal.cookies.clear()

    new = await portal.post(f"/invitations/{token}", data={"name": "Emil", "password": PASSWORD})
    assert new.status_code == 402
    assert enforcing.NO_SEAT in new.text
    emil = await enrolled(database, vault, name="Emil", email=email)
    sign_in(portal, emil)
    known = await portal.post(f"/invitations/{token}")
    assert known.status_code == 402
    assert enforcing.NO_SEAT in known.text

    await bill(database, office.tenant_id, limits={"seats": 2})
    assert (await portal.post(f"/invitations/{token}")).status_code == 303


async def test_home_tells_what_rests_and_how_many_messages_are_left(
    office: Office, database: Database, portal: httpx.AsyncClient, owner: Enrolled
) -> None:
    await bill(database, office.tenant_id, limits={"employees": 0, "connections": 0, "messages": 10})
    async with office.session() as session:
        month = await allowances.this_month(session, utc_now())
        session.add(PlanMonth(tenant_id=office.tenant_id, month=month, messages=9))

    assert told(await home(portal, owner)) == [
        ("warning", "90% of the month&#39;s messages are used"),
        ("warning", "One employee rests"),
        ("warning", "One channel rests"),
    ]
    async with office.session() as session:
        (await session.get_one(PlanMonth, (office.tenant_id, month))).messages = 10
    page = await home(portal, owner)
    assert told(page)[0] == ("danger", "The month&#39;s messages are used up")
    assert "Contacts are told that people can read what they write." in page


async def test_an_overdue_payment_keeps_from_adding_and_from_nothing_else(
    office: Office, database: Database, portal: httpx.AsyncClient, owner: Enrolled
) -> None:
    overdue = utc_now() - timedelta(days=8)
    await bill(database, office.tenant_id, "pro", status="past_due", past_due_since=overdue)

    answer = await portal.post(f"/t/{owner.slug}/employees/new", data={"name": "Bo", "start": "blank"})

    assert answer.status_code == 402
    assert "A payment is overdue" in answer.text
    assert (await portal.get(f"/t/{owner.slug}/employees/ada")).status_code == 200


async def test_a_business_that_is_founded_where_stripe_is_set_up_begins_on_the_free_plan(
    database: Database, settings: Settings, owner: Enrolled
) -> None:
    charging = settings.model_copy(update={"stripe_secret_key": SecretStr("sk_test_1")})
    async with browser(charging) as portal:
        sign_in(portal, owner)
        answer = await portal.post("/account/tenants/new", data={"name": f"Second {secrets.token_hex(4)}"})
    assert answer.status_code == 303
    tenant_id = await tenants.find(database, answer.headers["location"].split("/")[2])
    assert tenant_id

    async with database.tenant_session(tenant_id) as session:
        account = (await session.scalars(select(BillingAccount))).one()
        kept = await retention.settings(session)

    assert (account.plan, account.status, kept.messages) == ("free", "none", 30)
