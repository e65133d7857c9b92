"""What is not part of a plan is refused where it is added; how long messages are kept; and what founders begin with."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Final

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlmodel import col

from konstruct import api_keys, retention, tenants
from konstruct.accounts import businesses
from konstruct.billing import entitlements
from konstruct.db import Database
from konstruct.errors import OverPlan
from konstruct.identity import new_id
from konstruct.model_keys import keeping
from konstruct.model_keys.keeping import Candidate
from konstruct.retention import Periods
from konstruct.settings import Settings
from konstruct.tables import BillingAccount, EmployeeVersion, Tenant
from konstruct.tables.base import utc_now
from konstruct.tools import defining, registry
from tests.support.billed import bill
from tests.support.members import make_user
from tests.support.office import Office
from tests.support.workshop import over_http

SHOP = "https://shop.example.com/orders"
OVERDUE: Final[dict[str, Any]] = {"status": "past_due", "past_due_since": utc_now() - timedelta(days=30)}


async def _tool(office: Office, key: str = "look", url: str = SHOP) -> object:
    async with office.session() as session:
        return await defining.put(session, office.vault, office.tenant_id, key, over_http(url), "test")


async def _own_key(office: Office) -> None:
    async with office.session() as session:
        tried = Candidate("openai", SecretStr("sk-own"))
        await keeping.keep(session, office.vault, office.tenant_id, tried, actor="test")


async def _api_key(office: Office, name: str = "till") -> SecretStr:
    async with office.session() as session:
        return await api_keys.make(session, office.tenant_id, name, ["approvals:read"], actor="test")


async def _keep_for(office: Office, days: int | None) -> None:
    async with office.session() as session:
        await retention.change(session, office.tenant_id, Periods(messages=days), actor="test")


async def _what(attempt: Awaitable[object]) -> str:
    with pytest.raises(OverPlan) as refused:
        await attempt
    return refused.value.what


async def test_what_the_plan_does_not_include_cannot_be_added(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id)

    assert await _what(_tool(office)) == "tools"
    assert await _what(_own_key(office)) == "own_keys"
    assert await _what(_api_key(office)) == "api"


async def test_what_was_agreed_with_one_business_is_added_to_its_plan(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id, features=["tools", "own_keys", "api"])

    await _tool(office)
    await _own_key(office)
    await _api_key(office)


async def test_nothing_of_it_is_added_while_a_payment_is_overdue(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id, "pro", features=["tools", "own_keys", "api"], **OVERDUE)

    assert await _what(_tool(office)) == "tools"
    assert await _what(_own_key(office)) == "own_keys"
    assert await _what(_api_key(office)) == "api"


async def test_tools_rest_without_the_feature_and_are_there_again_with_it(office: Office, database: Database) -> None:
    await _tool(office)
    [version] = await office.rows(EmployeeVersion)
    version.tools = [{"name": "look"}, {"name": "send_file"}]

    async def box() -> set[str]:
        async with office.session() as session:
            return set(await registry.toolbox(session, version))

    assert await box() == {"look", "send_file", "read_result"}
    await bill(database, office.tenant_id, "pro", status="canceled")
    assert await box() == {"send_file"}
    # What is there may be mended, and taken away.
    await _tool(office, url="https://shop.example.com/other")
    await bill(database, office.tenant_id, "starter")
    assert "look" in await box()


async def test_a_key_opens_nothing_while_the_api_is_not_part_of_the_plan(office: Office, database: Database) -> None:
    key = (await _api_key(office)).get_secret_value()
    await api_keys.find(database, key)

    await bill(database, office.tenant_id, "starter")
    assert await _what(api_keys.find(database, key)) == "api"

    await bill(database, office.tenant_id, "pro", status="past_due", past_due_since=utc_now())
    assert (await api_keys.find(database, key)).tenant_id == office.tenant_id


async def test_own_keys_that_were_there_are_used_on(office: Office, database: Database) -> None:
    """What employees say never goes to another account because of a plan."""
    await _own_key(office)
    await bill(database, office.tenant_id)

    async with office.session() as session:
        settings = Settings(openai_api_key=SecretStr("sk-deployment"))
        [link] = await keeping.chain(session, office.vault, ["openai/gpt-5.4"], settings)

    assert link.api_key.get_secret_value() == "sk-own"


async def test_messages_are_not_kept_for_longer_than_the_plan_says(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id, limits={"retention_days": 30})

    # They are kept for good so far, and may be; a shorter time is nobody's to refuse.
    await _keep_for(office, 400)
    await _keep_for(office, 31)
    await _keep_for(office, 30)
    await _keep_for(office, 7)
    assert await _what(_keep_for(office, 31)) == "retention_days"
    assert await _what(_keep_for(office, None)) == "retention_days"
    await _keep_for(office, 30)
    async with office.session() as session:
        periods = Periods(messages=30, files=5)
        assert await retention.change(session, office.tenant_id, periods, actor="test")


async def test_a_business_that_is_founded_where_businesses_pay_begins_on_the_free_plan(database: Database) -> None:
    user_id = new_id()
    await make_user(database, user_id, f"carla-{user_id.hex}@example.com", "Carla")

    for is_billed in (True, False):
        slug = await businesses.found(database, user_id, f"Berg {user_id.hex[-8:]}", is_billed=is_billed)
        tenant_id = await tenants.find(database, slug)
        assert tenant_id
        async with database.tenant_session(tenant_id) as session:
            account = (await session.scalars(select(BillingAccount))).one_or_none()
            kept = await session.scalar(select(col(Tenant.retention)))
            entitled = await entitlements.of(session)
        assert (account is not None) == is_billed
        assert kept == ({"messages": 30} if is_billed else {})
        assert entitled.limits.employees == (1 if is_billed else None)
