"""The first subscription: paid at Stripe's page, known at once, and never a second one beside it."""

import asyncio

import pytest

from konstruct.billing import checking_out, entitlements
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, NotFound, PaymentsRefused, PaymentsUnavailable
from konstruct.vault import Vault
from tests.support.office import open_office
from tests.support.till import BUYER, URLS, Till, billed_tenant


async def test_who_pays_has_the_plan_when_they_are_back(till: Till) -> None:
    opened = await till.open()
    before = await till.account()
    till.stripe.complete_checkout(opened.id)
    account = await checking_out.done(till.database, till.payments, till.tenant_id, opened.id)

    [customer] = till.stripe.all("customer")
    [page] = till.stripe.all("checkout.session")
    assert (before.status, before.customer_id) == ("none", customer["id"])
    assert (customer["email"], customer["metadata"]) == (BUYER.email, {"konstruct_tenant": str(till.tenant_id)})
    assert page["success_url"] == URLS.success
    assert page["client_reference_id"] == str(till.tenant_id)
    assert (account.plan, account.status, account.billed_every) == ("starter", "trialing", "month")
    assert account.had_trial
    assert account.trial_ends_at is not None
    assert account.trial_ends_at.timestamp() == till.stripe.clock.now + 14 * 86_400
    assert account.detail["card"] == {"brand": "visa", "last4": "4242"}
    async with till.database.tenant_session(till.tenant_id) as session:
        entitled = await entitlements.of(session)
    assert (entitled.standing.level, entitled.limits.employees) == ("full", 3)


async def test_a_trial_is_had_once(till: Till) -> None:
    first = await till.subscribe()
    await till.stripe.client().v1.subscriptions.cancel_async(str(first.subscription_id))

    again = await till.subscribe("pro", "year")

    assert (again.plan, again.status, again.billed_every) == ("pro", "active", "year")
    assert again.detail["invoice"]["amount_paid"] == 199_000


async def test_there_is_one_subscription_and_one_open_page(till: Till) -> None:
    earlier = await till.open()
    later = await till.open("pro")
    pages = {each["id"]: each["status"] for each in till.stripe.all("checkout.session")}
    assert pages == {earlier.id: "expired", later.id: "open"}

    till.stripe.complete_checkout(later.id)
    # Nobody came back, and no webhook has told of it.
    with pytest.raises(Conflict, match="change it instead"):
        await till.open()
    assert (await till.account()).plan == "pro"
    assert len(till.stripe.all("subscription")) == 1


async def test_who_presses_twice_opens_one_page(till: Till) -> None:
    await till.open()
    opened = await asyncio.gather(till.open("pro"), till.open("pro"))

    pages = till.stripe.all("checkout.session", status="open")
    assert {each.id for each in opened} == {each["id"] for each in pages}
    assert len(pages) == 1
    assert len(till.stripe.all("customer")) == 1


async def test_of_two_people_who_choose_at_once_one_page_stays(till: Till) -> None:
    await till.open()
    opened = await asyncio.gather(till.open("pro"), till.open("starter", "year"))

    [page] = till.stripe.all("checkout.session", status="open")
    assert page["id"] in {each.id for each in opened}
    assert (await till.account()).checkout_session_id == page["id"]


async def test_a_page_that_was_paid_meanwhile_ends_the_other(till: Till) -> None:
    hold = till.stripe.hang_next("/v1/checkout/sessions", when="after")
    late = asyncio.create_task(till.open("pro"))
    await hold.reached.wait()
    rival = await till.open("starter")
    till.stripe.complete_checkout(rival.id)
    hold.released.set()

    with pytest.raises(Conflict, match="Somebody else has just subscribed"):
        await late
    assert till.stripe.all("checkout.session", status="open") == []
    assert len(till.stripe.all("subscription")) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("path", ["/v1/customers", "/v1/checkout/sessions"])
async def test_what_is_cut_off_is_done_again_once(till: Till, path: str, when: str) -> None:
    till.stripe.cut_next(path, when="after" if when == "after" else "before")
    with pytest.raises(PaymentsUnavailable):
        await till.open()
    opened = await till.open()

    assert len(till.stripe.all("customer")) == 1
    assert [each["id"] for each in till.stripe.all("checkout.session", status="open")] == [opened.id]


async def test_a_failure_that_stripe_keeps_is_passed_by(till: Till) -> None:
    till.stripe.fail_next("/v1/customers", 500, when="after")
    with pytest.raises(PaymentsUnavailable):
        await till.open()
    await till.open()
    assert (await till.account()).customer_id in {each["id"] for each in till.stripe.all("customer")}


async def test_a_plan_without_a_price_is_not_sold(till: Till) -> None:
    for plan in ("free", "enterprise"):
        with pytest.raises(BadInput, match="cannot be paid by the month"):
            await till.open(plan)
    with pytest.raises(BadInput, match="no such plan"):
        await till.open("gold")
    assert till.stripe.all("customer") == []


async def test_who_is_not_billed_buys_nothing(till: Till, database: Database, vault: Vault) -> None:
    office = await open_office(database, vault)
    with pytest.raises(Conflict, match="not billed here"):
        await checking_out.open(database, till.payments, office.tenant_id, "pro", "month", BUYER, URLS)


async def test_a_page_of_others_is_nobodys_here(till: Till, database: Database, vault: Vault) -> None:
    other = Till(till.stripe, till.payments, database, await billed_tenant(database, vault))
    paid = await other.open()
    till.stripe.complete_checkout(paid.id)
    await till.open()

    for session_id in (paid.id, "cs_test_none", "../customers", "cs_x?expand=1", "", "sub_1"):
        with pytest.raises(NotFound, match="no such payment"):
            await checking_out.done(database, till.payments, till.tenant_id, session_id)
    assert (await till.account()).status == "none"


async def test_a_customer_that_was_deleted_is_made_anew(till: Till) -> None:
    first = await till.subscribe()
    await till.stripe.client().v1.customers.delete_async(str(first.customer_id))
    gone = await till.sync()
    assert (gone.status, gone.plan, gone.customer_id, gone.had_trial) == ("canceled", "free", None, True)

    again = await till.subscribe()
    assert again.customer_id not in (None, first.customer_id)
    assert again.status == "active"


async def test_a_price_that_stripe_does_not_know_is_told(till: Till) -> None:
    client = till.stripe.client()
    await client.v1.prices.update_async(await till.price("pro"), {"active": False})
    with pytest.raises(PaymentsRefused, match="konstruct billing sync"):
        await till.open("pro")
