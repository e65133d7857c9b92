"""Reports over the API: the ledger's sums to the last digit, what became of conversations, and budgets."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest

from konstruct.tables.base import utc_now
from tests.gateway.programs import Program, program_of
from tests.konstruct.reports.ledgers import a_call, write_down
from tests.support.handoffs import hand_off
from tests.support.office import Office


@pytest.fixture
async def spent(office: Office) -> None:
    asked = await office.exchange("Hello?", "Hello!")
    now = utc_now()
    await write_down(
        office,
        a_call(office, asked.conversation_id, now, "0.1234567891"),
        a_call(office, asked.conversation_id, now - timedelta(days=2), "2", provider="openai", model="=gpt"),
        a_call(office, asked.conversation_id, now, None, outcome="failed"),
    )


@pytest.mark.usefixtures("spent")
async def test_usage_is_told_to_the_last_digit(program: Program) -> None:
    answer = await program.get("/reports/usage?range=7")
    assert answer.status == 200
    report = answer.body
    assert (report["total"]["cost"], report["total"]["calls"], report["total"]["unpriced"]) == ("2.1234567891", 3, 1)
    assert [row["key"] for row in report["model"]] == ["openai/=gpt", "anthropic/claude-sonnet-4-6"]
    for by in ("employee", "model", "channel", "purpose", "key"):
        assert sum(Decimal(row["total"]["cost"]) for row in report[by]) == Decimal("2.1234567891")
    assert len(report["bars"]) == 7
    assert report["period"]["time_zone"] == "UTC"
    assert (await program.get("/reports/usage?range=7&model=openai/%3Dgpt")).body["total"]["calls"] == 1


@pytest.mark.parametrize(
    "query", ["range=8", "from=x", "employee=eve", "channel=fax", "model=x", "until=2026-01-01", "from=2999-01-01"]
)
@pytest.mark.parametrize("what", ["usage", "usage.csv", "ledger.csv"])
async def test_what_cannot_be_told_is_refused(program: Program, what: str, query: str) -> None:
    answer = await program.get(f"/reports/{what}?{query}")
    assert answer.status == 422
    assert answer.body["error"]


@pytest.mark.usefixtures("spent")
async def test_sheets_hold_no_formulas_and_say_how_they_are_written(program: Program) -> None:
    answer = await program.get("/reports/usage.csv?range=7&by=model")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal("2.1234567891")
    lines = (await program.get("/reports/ledger.csv?range=7")).body.decode("utf-8-sig")
    calls = list(csv.DictReader(io.StringIO(lines)))
    # Of one moment, they are in no order.
    told = sorted((row["model"], row["cost_usd"]) for row in calls)
    assert told == [("'=gpt", "2.0000000000"), ("claude-sonnet-4-6", ""), ("claude-sonnet-4-6", "0.1234567891")]
    assert all(row["at"].endswith("+00:00") for row in calls)
    sheet = (await program.get("/reports/outcomes.csv?range=7")).body.decode("utf-8-sig")
    assert [row["conversations"] for row in csv.DictReader(io.StringIO(sheet))] == ["0"] * 6 + ["1"]


async def test_outcomes_are_told(program: Program, office: Office) -> None:
    await office.exchange("Hello?", "Hello!")
    await hand_off(office, await office.say("A person, please", root="2.0"))
    answer = await program.get("/reports/outcomes")
    assert answer.status == 200
    handled = answer.body["total"]["handled"]
    assert (handled["conversations"], handled["alone"], handled["with_people"]) == (2, 1, 1)
    assert [(row["key"], row["handed_off"]["count"]) for row in answer.body["employees"]] == [("ada", 1)]
    assert [row["key"] for row in answer.body["channels"]] == ["slack"]
    assert [(row["cause"], row["handed_off"]["waiting"]) for row in answer.body["reasons"]] == [("employee", 1)]


@pytest.mark.usefixtures("spent")
async def test_budgets_are_set_whole_and_told_with_what_is_used(program: Program, office: Office) -> None:
    answer = await program.call("PUT", "/budgets", {"business": "2.50", "employees": {"ada": "100"}})
    assert answer.status == 200
    shown = (await program.get("/budgets")).body
    assert shown == answer.body
    assert Decimal(shown["business"]["budget"]) == Decimal("2.50")
    assert [(each["key"], each["budget"], each["state"]) for each in shown["employees"]] == [
        ("ada", "100.00", "within")
    ]
    await program.call("PUT", "/budgets", {"employees": {"ada": None}})
    assert (await program.get("/budgets")).body["business"] | {"spent": ""} == {
        "spent": "",
        "own": "0",
        "unpriced": 1,
        "budget": None,
        "state": "none",
    }
    events = await office.events("tenant.changed")
    assert [event.actor for event in events] == ["api:back-office"] * 2
    assert events[0].detail["after"] == {"budgets": {"business": "2.50", "employees": {"ada": "100.00"}}}


@pytest.mark.parametrize("body", [{"business": "much"}, {"business": 3}, {"employees": {"eve": "1"}}, {"monthly": "1"}])
async def test_budgets_that_cannot_be_kept_are_refused(program: Program, office: Office, body: object) -> None:
    assert (await program.call("PUT", "/budgets", body)).status == 422
    assert await office.events("tenant.changed") == []


async def test_each_wants_its_scope(api: str, office: Office) -> None:
    reader = await program_of(office, api, "reports:read", name="reader")
    assert (await reader.call("PUT", "/budgets", {})).status == 403
    writer = await program_of(office, api, "settings:write", name="writer")
    for path in ("reports/usage", "reports/outcomes", "reports/usage.csv", "reports/ledger.csv", "budgets"):
        assert (await writer.get(f"/{path}")).status == 403
        assert (await reader.get(f"/{path}")).status == 200
