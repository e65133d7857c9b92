"""The page of usage and cost: the ledger's sums, by days and by what they were for, what is behind them; budgets."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import func
from sqlmodel import col, select

from konstruct import contacts
from konstruct.accounts import mails
from konstruct.accounts.permissions import Role
from konstruct.budgets import alerts
from konstruct.budgets import terms as budgets
from konstruct.tables import Conversation, Tenant, Usage
from konstruct.tables.base import utc_now
from tests.konstruct.reports.ledgers import a_call, write_down
from tests.portal.channels import sign_in
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, hire

_DATA = re.compile(r'<data value="([^"]*)"')
_BADGE = '<span class="sr-only"> new</span>'
_ROWS = re.compile(r"<tr[^>]*>(.*?)</tr>", re.DOTALL)


@pytest.fixture
async def owner(office: Office) -> Enrolled:
    return await member(office)


async def member(office: Office, role: Role = "owner") -> Enrolled:
    return await enrolled(office.database, office.vault, role, office.tenant_id)


@pytest.fixture
async def spent(office: Office) -> None:
    """Of Ada and Milo, by three models, in two conversations, today and the days before."""
    async with office.session() as session:
        milo = await hire(session, office.tenant_id, "milo", "Milo")
    one, two = await office.say(root="1.0"), await office.say(root="2.0", contact="U2")
    now = utc_now()
    await write_down(
        office,
        a_call(office, one.conversation_id, now, "0.1234567891"),
        a_call(office, one.conversation_id, now - timedelta(days=1), "12.5", provider="openai", model="gpt-5.4"),
        a_call(office, two.conversation_id, now - timedelta(days=2), "1", employee_id=milo.id, purpose="judge"),
        a_call(office, two.conversation_id, now, None, provider="openai", model="gpt-of-tomorrow", outcome="failed"),
        a_call(office, two.conversation_id, now - timedelta(days=40), "5"),
    )


async def opened(portal: httpx.AsyncClient, who: Enrolled, path: str = "usage", status: int = 200) -> str:
    sign_in(portal, who)
    answer = await portal.get(f"/t/{who.slug}/{path}")
    assert answer.status_code == status
    return answer.text


def card(page: str, title: str) -> str:
    """What stands in a card of numbers, to the last digit."""
    [section] = re.findall(rf'aria-label="{title}">.*?</section>', page, re.DOTALL)
    [exact] = _DATA.findall(section)
    assert isinstance(exact, str)
    return exact


def rows(page: str, where: str) -> list[list[str]]:
    """The exact amounts of a part's rows."""
    part = page[page.index(f'id="{where}"') :].partition("</section>")[0]
    return [_DATA.findall(row) for row in _ROWS.findall(part) if "<data" in row]


@pytest.mark.usefixtures("spent")
async def test_the_sums_are_those_of_the_ledger_to_the_last_digit(
    portal: httpx.AsyncClient, office: Office, owner: Enrolled
) -> None:
    page = await opened(portal, owner)
    async with office.session() as session:
        since = utc_now() - timedelta(days=30)
        ledger = await session.scalar(select(func.sum(col(Usage.cost))).where(col(Usage.created_at) > since))
    assert ledger == Decimal("13.6234567891")
    assert Decimal(card(page, "Total cost")) == ledger
    for by in ("employee", "model", "channel", "purpose", "key", "price"):
        told = rows(await opened(portal, owner, f"usage?by={by}"), "rows")
        *parts, total = [Decimal(amounts[0]) for amounts in told]
        assert sum(parts) == total == ledger, by
    assert sum(Decimal(amounts[0]) for amounts in rows(page, "dearest")) == ledger
    assert "One call has no known price" in page
    assert "$13.62" in page


@pytest.mark.usefixtures("spent")
async def test_what_is_asked_for_stands_in_the_address(portal: httpx.AsyncClient, owner: Enrolled) -> None:
    assert card(await opened(portal, owner, "usage?employee=milo"), "Total cost") == "1.0000000000"
    assert card(await opened(portal, owner, "usage?model=openai/gpt-5.4"), "Total cost") == "12.5000000000"
    assert card(await opened(portal, owner, "usage?channel=slack&range=365"), "Model calls") == "5"
    assert "No model was asked in these days" in await opened(portal, owner, "usage?channel=tests")
    day = (utc_now() - timedelta(days=1)).date()
    page = await opened(portal, owner, f"usage?from={day}&to={day}&employee=ada&by=model")
    assert card(page, "Total cost") == "12.5000000000"
    # Choosing another period keeps the rest.
    assert 'href="/t/' in page
    assert f'href="/t/{owner.slug}/usage?range=7&amp;employee=ada&amp;by=model"' in page


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("from=tomorrow", "Write a day such as"),
        ("employee=eve", "There is no such employee."),
        ("channel=fax", "There is no such channel."),
        ("model=sonnet", "Name a model with its provider"),
        ("range=century", "These days are not known"),
    ],
)
async def test_what_cannot_be_shown_is_told_and_the_usual_is_shown(
    portal: httpx.AsyncClient, owner: Enrolled, query: str, says: str
) -> None:
    assert says in await opened(portal, owner, f"usage?{query}", 422)
    assert says.split("These")[0] in await opened(portal, owner, f"usage/conversations?{query}", 422)
    if "model" not in query:
        assert says in await opened(portal, owner, f"outcomes?{query}", 422)
    answer = await portal.get(f"/t/{owner.slug}/usage/ledger.csv?{query}")
    assert answer.status_code == 422


@pytest.mark.usefixtures("spent")
async def test_from_a_row_one_comes_to_the_conversations_behind_it(
    portal: httpx.AsyncClient, office: Office, owner: Enrolled
) -> None:
    page = await opened(portal, owner, "usage?by=model&range=7")
    link = "/usage/conversations?range=7&amp;model=openai%2Fgpt-5.4"
    assert f'href="/t/{owner.slug}{link}"' in page
    one = (await office.conversations())[0]
    behind = await opened(portal, owner, "usage/conversations?range=7&model=openai%2Fgpt-5.4")
    assert f'href="/t/{owner.slug}/conversations/{one.id}"' in behind
    assert behind.count("/conversations/0") == 1
    assert "U1" in behind


async def test_conversations_are_told_page_by_page(
    portal: httpx.AsyncClient, office: Office, owner: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.pages.reports.usage.AT_ONCE", 2)
    now = utc_now()
    for number in range(5):
        asked = await office.say(root=f"{number}.0")
        await write_down(office, a_call(office, asked.conversation_id, now, "0.25" if number else None))
    seen: list[str] = []
    path: str | None = "usage/conversations?range=7"
    while path is not None:
        page = await opened(portal, owner, path)
        seen += re.findall(rf"/t/{owner.slug}/conversations/([0-9a-f-]+)", page)
        more = re.search(r'href="/t/[^/]+/([^"]+cost=[^"]+)"', page)
        path = more[1].replace("&amp;", "&") if more else None
    assert sorted(seen) == sorted(str(each.id) for each in await office.conversations())
    assert seen[-1] == str((await office.conversations())[0].id)


@pytest.mark.parametrize(
    "place", ["cost=1e9999&before=x", "cost=NaN", "cost=-1", "cost=1e-99", "cost=much", "cost=1&before=x"]
)
async def test_a_page_that_is_none_is_told(portal: httpx.AsyncClient, owner: Enrolled, place: str) -> None:
    await opened(portal, owner, f"usage/conversations?{place}", 422)


@pytest.mark.usefixtures("spent")
async def test_of_who_was_erased_the_costs_stay_and_no_name(
    portal: httpx.AsyncClient, office: Office, owner: Enrolled
) -> None:
    async with office.session() as session:
        contact = (await session.scalars(select(col(Conversation.contact_id)))).first()
        assert contact is not None
        await contacts.erase(session, office.tenant_id, contact, actor="test")
    page = await opened(portal, owner)
    assert "Erased contact" in page
    assert Decimal(card(page, "Total cost")) == Decimal("13.6234567891")


@pytest.mark.usefixtures("spent")
async def test_sheets_hold_what_is_shown_and_every_call(
    portal: httpx.AsyncClient, office: Office, owner: Enrolled
) -> None:
    async with office.session() as session:
        (await session.get_one(Tenant, office.tenant_id)).time_zone = "Asia/Tokyo"
    asked = (await office.conversations())[0]
    await write_down(office, a_call(office, asked.id, utc_now(), "1", model="=HYPERLINK(1)"))
    sign_in(portal, owner)
    answer = await portal.get(f"/t/{owner.slug}/usage/shown.csv?by=model&range=7")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="usage-by-model-[\d-]+\.csv"', answer.headers["content-disposition"])
    assert answer.content.startswith(b"\xef\xbb\xbf")
    shown = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert sum(Decimal(row["cost_usd"] or 0) for row in shown) == Decimal("14.6234567891")
    assert [row["cost_usd"] for row in shown if row["key"] == "openai/gpt-of-tomorrow"] == [""]
    answer = await portal.get(f"/t/{owner.slug}/usage/ledger.csv?range=7&employee=ada")
    calls = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(calls) == 4
    assert [row["model"] for row in calls if "HYPERLINK" in row["model"]] == ["'=HYPERLINK(1)"]
    assert all(row["at"].endswith("+09:00") for row in calls)


async def test_where_nothing_was_asked_there_is_one_way_on(portal: httpx.AsyncClient, owner: Enrolled) -> None:
    page = await opened(portal, owner)
    assert "No model was asked in these days" in page
    assert "Show the whole year" in page
    assert "<canvas" not in page
    assert "See the employees" in await opened(portal, owner, "usage?range=365")


async def test_of_many_employees_all_are_in_the_table_and_the_largest_in_the_chart(
    portal: httpx.AsyncClient, office: Office, owner: Enrolled
) -> None:
    asked = await office.say()
    for number in range(12):
        async with office.session() as session:
            employee = await hire(session, office.tenant_id, f"e{number}", f"Employee {number}")
        await write_down(office, a_call(office, asked.conversation_id, utc_now(), f"{number}", employee_id=employee.id))
    page = await opened(portal, owner)
    assert len(rows(page, "rows")) == 13
    [data] = re.findall(r'<script type="application/json" id="cost-chart-data">(.*?)</script>', page)
    assert '"name": "Employee 11"' in data
    assert '"name": "5 others"' in data
    assert "Employee 4" not in data


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        ("0", "$0.00"),
        ("0.0000000001", "$0.0000000001"),
        ("0.00123", "$0.0012"),
        ("9999999999.99", "$9,999,999,999.99"),
    ],
)
async def test_amounts_of_all_sizes_can_be_read(
    portal: httpx.AsyncClient, office: Office, owner: Enrolled, cost: str, shown: str
) -> None:
    asked = await office.say()
    await write_down(office, a_call(office, asked.conversation_id, utc_now(), cost, provider="ollama"))
    page = await opened(portal, owner, "usage?range=7")
    assert f">{shown}</data>" in page
    assert Decimal(card(page, "Total cost")) == Decimal(cost)


async def test_what_own_keys_paid_for_and_what_is_assumed_stand_apart(
    portal: httpx.AsyncClient, office: Office, owner: Enrolled
) -> None:
    asked, now = await office.say(), utc_now()
    await write_down(
        office,
        a_call(office, asked.conversation_id, now, "1.25", key_of="tenant", price_version="2026-11-20"),
        a_call(office, asked.conversation_id, now, "2.5", provider="openai", model="new", is_price_assumed=True),
        a_call(office, asked.conversation_id, now, "0.0000000001", provider="openai", price_version="2026-10-01"),
    )
    page = await opened(portal, owner, "usage?by=model")
    assert "$1.25 of it on your own keys" in page
    assert "$2.50 of it is by assumed prices" in page
    assert [amounts[1] for amounts in rows(page, "rows")] == ["0", "1.2500000000", "0", "1.2500000000"]
    assert page.count(">assumed</span>") == 1
    assert '<data value="1.2500000000">$1.25</data> of it on your own keys' in page
    for elsewhere in ("home", f"conversations/{asked.conversation_id}"):
        assert "$1.25 of it on your own keys" in await opened(portal, owner, elsewhere), elsewhere
    lists = await opened(portal, owner, "usage?by=price")
    assert [name for name in ("List 2026-11-20", "List 2026-10-01", "Assumed: no list") if name in lists] == [
        *("List 2026-11-20", "List 2026-10-01", "Assumed: no list"),
    ]
    sheet = (await portal.get(f"/t/{owner.slug}/usage/ledger.csv?range=7")).content.decode("utf-8-sig")
    told = {(row["price_list"], row["price_assumed"]) for row in csv.DictReader(io.StringIO(sheet))}
    assert told == {("2026-11-20", "no"), ("", "yes"), ("2026-10-01", "no")}


class TestBudgets:
    async def test_what_is_crossed_is_told_by_a_badge_until_it_was_seen_and_by_mail(
        self, portal: httpx.AsyncClient, office: Office, owner: Enrolled
    ) -> None:
        viewer = await member(office, "viewer")
        asked = await office.say()
        await write_down(office, a_call(office, asked.conversation_id, utc_now(), "9"))
        sign_in(portal, owner)
        await portal.post(f"/t/{owner.slug}/usage/budgets", data={"business": "10", "when_spent": "pause"})
        assert _BADGE in await opened(portal, owner, "home")
        assert _BADGE not in await opened(portal, viewer, "home")
        assert "Messages wait until there is a budget again." in await opened(portal, owner)
        assert _BADGE not in await opened(portal, owner, "home")
        await alerts.write(office.database, office.vault, "https://portal.example")
        kept = [each for each in await mails.kept(office.database, office.vault, 500) if each.to == owner.email]
        assert [("used to 80%" in mail.subject, "messages wait" in mail.text) for mail in kept] == [(True, True)]

    async def test_what_happens_then_is_chosen_and_kept(
        self, portal: httpx.AsyncClient, office: Office, owner: Enrolled
    ) -> None:
        assert re.search(r'value="people"[^>]* checked', await opened(portal, owner, "usage/budgets"))
        answer = await portal.post(f"/t/{owner.slug}/usage/budgets", data={"business": "10", "when_spent": "local"})
        assert answer.status_code == 303
        assert re.search(r'value="local"[^>]* checked', await opened(portal, owner, "usage/budgets"))
        answer = await portal.post(f"/t/{owner.slug}/usage/budgets", data={"business": "10", "when_spent": "panic"})
        assert answer.status_code == 422
        assert "Choose one of" in answer.text

    async def test_what_is_set_is_shown_with_how_far_it_is_used(
        self, portal: httpx.AsyncClient, office: Office, owner: Enrolled
    ) -> None:
        asked = await office.say()
        await write_down(office, a_call(office, asked.conversation_id, utc_now(), "9"))
        sign_in(portal, owner)
        form = {"business": "$10", "employees.ada": "5.50"}
        answer = await portal.post(f"/t/{owner.slug}/usage/budgets", data=form)
        assert answer.headers["location"] == f"/t/{owner.slug}/usage"
        page = await opened(portal, owner)
        assert "90.0% used" in page
        assert "Over budget" in page
        assert "Once a budget is spent: Conversations are handed to people." in page
        assert "Conversations are handed to people." in await opened(portal, owner, "home")
        [event] = await office.events("tenant.changed")
        assert event.detail["before"] == {"budgets": {}}
        assert event.detail["after"] == {"budgets": {"business": "10.00", "employees": {"ada": "5.50"}}}
        home = await opened(portal, owner, "home")
        assert "90% of the business&#39;s budget for the month is used" in home
        assert "The month&#39;s budget of Ada is used up" in home
        assert f'href="/t/{owner.slug}/usage#budgets"' in home

    @pytest.mark.parametrize(
        ("written", "says"),
        [
            ("lots", "Write dollars"),
            ("0", "at least one cent"),
            ("-5", "at least one cent"),
            ("1.234", "two digits"),
            ("99999999", "at most"),
            ("NaN", "at least one cent"),
            ("1,5", "Write dollars"),
        ],
    )
    async def test_what_is_no_budget_is_told_beside_it(
        self, portal: httpx.AsyncClient, office: Office, owner: Enrolled, written: str, says: str
    ) -> None:
        sign_in(portal, owner)
        answer = await portal.post(f"/t/{owner.slug}/usage/budgets", data={"business": "10", "employees.ada": written})
        assert answer.status_code == 422
        assert says in answer.text
        assert f'value="{written}"' in answer.text
        async with office.session() as session:
            assert await budgets.read(session) == budgets.Budgets()

    async def test_emptied_fields_have_no_budget_any_more(
        self, portal: httpx.AsyncClient, office: Office, owner: Enrolled
    ) -> None:
        sign_in(portal, owner)
        await portal.post(f"/t/{owner.slug}/usage/budgets", data={"business": "10", "employees.ada": "3"})
        await portal.post(f"/t/{owner.slug}/usage/budgets", data={"business": "", "employees.ada": "4"})
        async with office.session() as session:
            assert await budgets.read(session) == budgets.Budgets(None, {"ada": Decimal("4.00")})
        assert 'value="4.00"' in await opened(portal, owner, "usage/budgets")

    @pytest.mark.usefixtures("spent")
    async def test_who_may_only_look_is_not_led_to_change_them(self, portal: httpx.AsyncClient, office: Office) -> None:
        viewer = await member(office, "viewer")
        page = await opened(portal, viewer)
        assert "Total cost" in page
        assert "/usage/budgets" not in page
        await opened(portal, viewer, "usage/budgets", 403)

    async def test_a_budget_is_of_the_month_where_the_business_is(self, office: Office) -> None:
        asked = await office.say()
        async with office.session() as session:
            (await session.get_one(Tenant, office.tenant_id)).time_zone = "Asia/Tokyo"
            await budgets.change(session, office.tenant_id, {"business": "4"}, actor="test")
        # Nine hours before it is December in London, it is in Tokyo.
        begins = utc_now().replace(year=2026, month=11, day=30, hour=15, minute=0, second=0, microsecond=0)
        late, early = begins - timedelta(seconds=1), begins
        await write_down(
            office,
            a_call(office, asked.conversation_id, late, "1"),
            a_call(office, asked.conversation_id, early, "3.2"),
        )
        async with office.session() as session:
            november, december = await budgets.month(session, late), await budgets.month(session, early)
        assert (november.business.spent, november.business.state) == (Decimal(1), "within")
        assert (december.business.spent, december.business.state) == (Decimal("3.2"), "near")
        assert [(each.key, each.spent) for each in december.employees] == [("ada", Decimal("3.2"))]
