"""Stripe is made to know the plans: once, again, after a change of theirs, and after a change by hand."""

from collections.abc import AsyncIterator, Sequence

import pytest
from pydantic import SecretStr

from konstruct.adapters.stripe_calls import StripeCalls
from konstruct.adapters.stripe_catalog import StripeCatalog
from konstruct.billing import plans
from konstruct.billing.plans import Metered, Plan
from konstruct.db import Database
from konstruct.errors import PaymentsRefused
from tests.support.stripe_double import StripeDouble, stripe_double


@pytest.fixture
async def stripe() -> AsyncIterator[StripeDouble]:
    async with stripe_double() as double:
        yield double


@pytest.fixture
async def offered(database: Database) -> list[Plan]:
    async with database.system_session() as session:
        return await plans.listed(session)


async def synced(stripe: StripeDouble, offered: Sequence[Plan], *, is_check: bool = False) -> list[str]:
    calls = StripeCalls(SecretStr(stripe.key), stripe.url)
    try:
        return [str(each) for each in await StripeCatalog(calls).sync(offered, is_check=is_check)]
    finally:
        await calls.close()


def metered(plan: Plan, unit_amount: str = "0.00012") -> Plan:
    more = Metered(event_name="konstruct_models", lookup_key="konstruct_pro_models", unit_amount=unit_amount)
    return plan.model_copy(update={"metered": more})


def writes(stripe: StripeDouble) -> int:
    return sum(call.method != "GET" for call in stripe.calls)


async def test_all_is_made_once(stripe: StripeDouble, offered: list[Plan]) -> None:
    checked = await synced(stripe, offered, is_check=True)
    assert writes(stripe) == 0
    first = await synced(stripe, offered)
    made = writes(stripe)
    second = await synced(stripe, offered)

    assert checked == first
    assert first == [
        "+ product konstruct_starter",
        "+ product konstruct_pro",
        "+ price konstruct_starter_month: 4900 usd minor units a month",
        "+ price konstruct_starter_year: 49000 usd minor units a year",
        "+ price konstruct_pro_month: 19900 usd minor units a month",
        "+ price konstruct_pro_year: 199000 usd minor units a year",
        "+ portal configuration",
    ]
    assert second == [line.replace("+ ", "= ", 1) for line in first]
    assert (made, writes(stripe)) == (7, 7)
    [portal] = stripe.all("billing_portal.configuration")
    update = portal["features"]["subscription_update"]
    assert [len(each["prices"]) for each in update["products"]] == [2, 2]
    assert (update["proration_behavior"], update["trial_update_behavior"]) == ("always_invoice", "continue_trial")
    assert portal["features"]["subscription_cancel"]["mode"] == "at_period_end"


async def test_a_new_amount_is_a_new_price_and_the_old_is_no_longer_sold(
    stripe: StripeDouble, offered: list[Plan]
) -> None:
    await synced(stripe, offered)
    [old] = stripe.all("price", lookup_key="konstruct_pro_month")
    month = offered[2].prices["month"].model_copy(update={"amount": 24_900})
    offered[2] = offered[2].model_copy(update={"prices": {**offered[2].prices, "month": month}})

    checked = await synced(stripe, offered, is_check=True)
    changed = await synced(stripe, offered)

    assert checked == changed
    assert [line for line in changed if not line.startswith("=")] == [
        "~ price konstruct_pro_month: 24900 usd minor units a month",
        "~ portal configuration",
    ]
    [new] = stripe.all("price", lookup_key="konstruct_pro_month")
    kept = stripe.get(old["id"])
    assert (new["unit_amount"], new["active"]) == (24_900, True)
    assert (kept["active"], kept["lookup_key"]) == (False, None)
    assert kept["metadata"] == {"konstruct_lookup_key": "konstruct_pro_month"}
    [portal] = stripe.all("billing_portal.configuration")
    told = [price for each in portal["features"]["subscription_update"]["products"] for price in each["prices"]]
    assert new["id"] in told
    assert old["id"] not in told
    assert {line[0] for line in await synced(stripe, offered)} == {"="}


async def test_what_was_changed_by_hand_is_mended(stripe: StripeDouble, offered: list[Plan]) -> None:
    await synced(stripe, offered)
    client = stripe.client()
    [price] = stripe.all("price", lookup_key="konstruct_starter_month")
    [portal] = stripe.all("billing_portal.configuration")
    await client.v1.products.update_async("konstruct_starter", {"name": "Anfang"})
    await client.v1.billing_portal.configurations.update_async(
        portal["id"], {"features": {"subscription_cancel": {"enabled": False}}}
    )
    await client.v1.prices.update_async(price["id"], {"active": False})

    mended = await synced(stripe, offered)
    assert [line.split(":")[0] for line in mended if not line.startswith("=")] == [
        "~ product konstruct_starter",
        "~ price konstruct_starter_month",
        "~ portal configuration",
    ]
    assert stripe.get("konstruct_starter")["name"] == "Starter"
    assert stripe.get(portal["id"])["features"]["subscription_cancel"]["enabled"]
    assert {line[0] for line in await synced(stripe, offered, is_check=True)} == {"="}


async def test_models_by_use_have_a_meter_and_an_exact_price(stripe: StripeDouble, offered: list[Plan]) -> None:
    offered[2] = metered(offered[2])
    made = await synced(stripe, offered)
    assert "+ meter konstruct_models" in made
    assert "+ price konstruct_pro_models: 0.00012 usd minor units for each unit" in made
    [meter] = stripe.all("billing.meter")
    [price] = stripe.all("price", lookup_key="konstruct_pro_models")
    assert price["unit_amount_decimal"] == "0.00012"
    assert price["recurring"]["meter"] == meter["id"]
    assert meter["default_aggregation"] == {"formula": "sum"}
    assert {line[0] for line in await synced(stripe, offered)} == {"="}

    offered[2] = metered(offered[2], "0.00013")
    assert "~ price konstruct_pro_models: 0.00013 usd minor units for each unit" in await synced(stripe, offered)


async def test_a_meter_that_counts_otherwise_is_refused(stripe: StripeDouble, offered: list[Plan]) -> None:
    await stripe.client().v1.billing.meters.create_async(
        {
            "display_name": "Calls",
            "event_name": "konstruct_models",
            "default_aggregation": {"formula": "count"},
        }
    )
    with pytest.raises(PaymentsRefused, match="does not add up"):
        await synced(stripe, [metered(offered[2])])


async def test_a_run_that_broke_off_is_finished_by_the_next(stripe: StripeDouble, offered: list[Plan]) -> None:
    for path in ("/v1/products", "/v1/prices", "/v1/billing_portal/configurations"):
        stripe.cut_next(path, when="after")
        with pytest.raises(Exception, match="cannot be reached"):
            await synced(stripe, offered)
    await synced(stripe, offered)
    assert {line[0] for line in await synced(stripe, offered, is_check=True)} == {"="}
    assert len(stripe.all("price", active=True)) == 4
    assert len(stripe.all("billing_portal.configuration")) == 1


async def test_the_portal_offers_ten_plans_at_most(stripe: StripeDouble, offered: list[Plan]) -> None:
    many = [offered[1].model_copy(update={"key": f"plan{number}"}) for number in range(11)]
    with pytest.raises(PaymentsRefused, match="ten plans at most"):
        await synced(stripe, many)
