"""The pages of billing over what is known of a tenant, whether or not Stripe answers; and who may look at which."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from konstruct.accounts.permissions import Role
from konstruct.billing.standing import GRACE
from konstruct.tables.base import utc_now
from tests.portal.channels import sign_in
from tests.support.billed import bill
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, hire

_NOTICE = re.compile(r'class="shell-notice".*?</div>', re.DOTALL)
_TAGS = re.compile(r"<[^>]+>")
_DAY = timedelta(days=1)


async def member(office: Office, role: Role = "owner") -> Enrolled:
    return await enrolled(office.database, office.vault, role, office.tenant_id)


async def opened(portal: httpx.AsyncClient, who: Enrolled, path: str = "billing", status: int = 200) -> str:
    sign_in(portal, who)
    answer = await portal.get(f"/t/{who.slug}/{path}")
    assert answer.status_code == status, answer.text
    return answer.text


def words(html: str) -> str:
    return " ".join(_TAGS.sub(" ", html).split())


def notice(page: str) -> str:
    found = _NOTICE.search(page)
    return words(found[0].partition(">")[2]) if found else ""


def part(page: str, name: str) -> str:
    return words(page[page.index(f'id="{name}"') :].partition("</section>")[0])


async def test_who_is_not_billed_is_told_so_and_not_led_there(portal: httpx.AsyncClient, office: Office) -> None:
    owner = await member(office)
    page = await opened(portal, owner)
    assert "This business is not billed" in page
    assert f'href="/t/{owner.slug}/billing"' not in page
    await bill(office.database, office.tenant_id)
    assert f'href="/t/{owner.slug}/billing"' in await opened(portal, owner, "team")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, ""),
        ({"status": "trialing", "trial_ends_at": 11.5 * _DAY}, "12 days are left of the trial of Pro."),
        ({"status": "trialing", "trial_ends_at": 0.5 * _DAY}, "One day is left of the trial of Pro."),
        ({"status": "trialing", "trial_ends_at": -0.5 * _DAY}, "The trial of Pro ends today."),
        (
            {"status": "past_due", "past_due_since": -_DAY},
            "The last payment did not go through.",
        ),
        ({"status": "past_due", "past_due_since": -GRACE}, "An invoice has not been paid for too long."),
        ({"status": "unpaid"}, "An invoice has not been paid for too long."),
        ({"ends_at": 3 * _DAY}, "Pro ends on"),
        ({"ends_at": -_DAY}, ""),
        ({"status": "paused"}, "The subscription of Pro is paused."),
        ({"status": "incomplete"}, "The first payment of Pro was not finished."),
        ({"status": "canceled"}, ""),
    ],
)
async def test_every_page_says_what_holds_for_the_whole_business(
    portal: httpx.AsyncClient, office: Office, fields: dict[str, Any], says: str
) -> None:
    now = utc_now()
    moments: dict[str, Any] = {
        name: now + value if isinstance(value, timedelta) else value for name, value in fields.items()
    }
    await bill(office.database, office.tenant_id, "pro", **moments)
    owner = await member(office)
    for path in ("team", "home", "employees", "billing"):
        assert notice(await opened(portal, owner, path)).startswith(says)
        assert bool(notice(await opened(portal, owner, path))) == bool(says)


async def test_only_who_can_read_what_is_paid_is_told(portal: httpx.AsyncClient, office: Office) -> None:
    await bill(office.database, office.tenant_id, "pro", status="past_due", past_due_since=utc_now())
    admin, agent = await member(office, "admin"), await member(office, "agent")
    assert "The last payment did not go through." in notice(await opened(portal, admin, "team"))
    assert notice(await opened(portal, agent, "team")) == ""
    await opened(portal, agent, "billing", status=403)


async def test_what_is_used_stands_beside_what_the_plan_has(portal: httpx.AsyncClient, office: Office) -> None:
    await bill(office.database, office.tenant_id, limits={"seats": 10})
    async with office.session() as session:
        await hire(session, office.tenant_id, "milo", "Milo")
    page = part(await opened(portal, await member(office)), "used")
    assert "AI employees More than the plan has 2 of 1" in page
    assert "People in the team 1 of 10" in page
    assert "Messages this month 0 of 200" in page
    assert "Some of these limits were agreed with you alone." in page


async def test_plans_stand_beside_each_other_by_month_and_by_year(portal: httpx.AsyncClient, office: Office) -> None:
    await bill(office.database, office.tenant_id, "starter", billed_every="month", period_end=utc_now() + 9 * _DAY)
    owner = await member(office)
    page = part(await opened(portal, owner), "plans")
    assert "Starter Your plan For a small team with one or two channels. $49 a month" in page
    assert "$199 a month" in page
    assert "Enterprise For what does not fit above. Talk to us. On request" in page
    page = part(await opened(portal, owner, "billing?every=year"), "plans")
    assert "$490 a year $40.84 a month, 16% less" in page
    assert "Renews" in part(await opened(portal, owner), "plan")


@pytest.mark.parametrize(
    ("fields", "badge"),
    [
        ({"status": "trialing"}, "Pro Trial"),
        ({"status": "active"}, "Pro Active"),
        ({"ends_at": 1}, "Pro Ends with the period"),
        ({"status": "past_due", "past_due_since": 0}, "Pro Payment failed"),
        ({"status": "past_due", "past_due_since": -8}, "Pro Payment overdue"),
        ({"status": "canceled"}, "Free Ended"),
        ({"status": "incomplete_expired"}, "Free No subscription"),
    ],
)
async def test_the_state_is_named(
    portal: httpx.AsyncClient, office: Office, fields: dict[str, Any], badge: str
) -> None:
    now = utc_now()
    moments: dict[str, Any] = {
        name: now + value * _DAY if isinstance(value, int) else value for name, value in fields.items()
    }
    await bill(office.database, office.tenant_id, "pro", billed_every="month", **moments)
    page = await opened(portal, await member(office))
    assert badge in part(page, "plan")
    assert ("Pro has ended" in page) == (fields.get("status") == "canceled")


async def test_what_was_known_before_is_shown_with_why_it_is_old(portal: httpx.AsyncClient, office: Office) -> None:
    await bill(office.database, office.tenant_id, "pro", billed_every="month", problem="Stripe does not answer.")
    page = await opened(portal, await member(office))
    assert "Stripe does not answer. What was known before holds." in page


async def test_the_palette_leads_there_by_what_somebody_wants(portal: httpx.AsyncClient, office: Office) -> None:
    await bill(office.database, office.tenant_id)
    owner, agent = await member(office), await member(office, "agent")
    for wanted in ("upgrade", "invoice", "Plan"):
        assert f'href="/t/{owner.slug}/billing' in await opened(portal, owner, f"search?q={wanted}")
        assert "billing" not in await opened(portal, agent, f"search?q={wanted}")
