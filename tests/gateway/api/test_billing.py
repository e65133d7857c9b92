"""What a business pays for, over the API: the same as the portal's page shows."""

from datetime import timedelta

from konstruct.tables.base import utc_now
from tests.gateway.programs import Program
from tests.support.billed import bill
from tests.support.office import Office


async def test_a_business_that_is_not_billed_has_no_limits(program: Program) -> None:
    told = (await program.get("/billing")).body
    assert (told["is_billed"], told["plan"], told["level"]) == (False, None, "unlimited")
    assert {each["limit"]: each["most"] for each in told["limits"]} == dict.fromkeys(
        ("employees", "connections", "messages", "seats", "knowledge_mb", "retention_days")
    )
    assert "whatsapp" in told["features"]


async def test_plan_state_and_limits_are_told(program: Program, office: Office) -> None:
    ends = utc_now() + timedelta(days=3)
    await bill(office.database, office.tenant_id, "pro", ends_at=ends, billed_every="month", limits={"seats": 7})
    told = (await program.get("/billing")).body
    assert (told["plan"], told["status"], told["level"], told["billed_every"]) == ("pro", "active", "full", "month")
    assert told["ends_at"].startswith(f"{ends:%Y-%m-%dT%H:%M}")
    assert {"limit": "seats", "used": 0, "most": 7} in told["limits"]
    assert {"limit": "knowledge_mb", "used": 0, "most": 2_000_000_000} in told["limits"]
    assert not {"customer_id", "subscription_id", "overrides", "detail"} & set(told)


async def test_plans_are_listed_with_prices_in_minor_units(program: Program) -> None:
    plans = {each["key"]: each for each in (await program.get("/billing/plans")).body["plans"]}
    assert list(plans) == ["free", "starter", "pro", "enterprise"]
    assert plans["starter"]["prices"] == {"month": {"amount": 4900}, "year": {"amount": 49000}}
    assert plans["enterprise"]["limits"]["seats"] is None


async def test_where_nobody_is_billed_there_are_no_invoices(program: Program) -> None:
    assert (await program.get("/billing/invoices")).body == {"invoices": []}
