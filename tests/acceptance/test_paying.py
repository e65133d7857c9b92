"""What a business pays for, with everything running: from signing up to the end of its subscription, and what contacts
hear meanwhile; and what becomes of their messages once a budget is spent.
"""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from konstruct.billing.enforcing import OVERDUE
from konstruct.scope.sentences import SENTENCES
from tests.acceptance.conftest import made_folder
from tests.acceptance.payers import Mall, Payer, open_mall, open_payer
from tests.acceptance.town import Office
from tests.browser.conftest import browser as browser
from tests.support.model_doubles import Behaviour, Fault
from tests.support.processes import kill, paused

pytestmark = pytest.mark.stack

KEPT = SENTENCES["en"].kept


@pytest.fixture(scope="module")
async def standing_mall() -> AsyncIterator[Mall]:
    with made_folder() as folder:
        async with open_mall(folder) as mall:
            yield mall


@pytest.fixture
async def mall(standing_mall: Mall) -> Mall:
    await standing_mall.town.forget()
    return standing_mall


@pytest.fixture
async def payer(mall: Mall, browser: Browser) -> AsyncIterator[Payer]:
    async with open_payer(mall, browser) as payer:
        yield payer


async def asks(office: Office, text: str) -> str:
    """In a talk of its own. What is said there in answer."""
    talk = office.talk()
    await talk.mention(text)
    [heard] = await talk.heard()
    return heard


async def test_a_subscription_from_signing_up_to_its_end(mall: Mall, payer: Payer) -> None:
    stripe = mall.stripe
    await mall.offer(free=1, starter=3)
    office = await payer.open_shop("Lind Bikes")
    assert await asks(office, "When are you open?") == "You said: When are you open?"
    assert await asks(office, "And on Sundays?") == KEPT
    await mall.mail_to(payer.email, "all of what the plan includes")

    # The trial begins, with a card, and lifts the limit at once.
    await payer.visit("billing")
    await payer.press("Try it for 14 days: Starter", "link")
    await payer.press("Go on to Stripe")
    await payer.give_card()
    await payer.press("Start trial")
    await payer.reads("Starter is yours", "14 days are left of the trial of Starter.")
    assert await asks(office, "Do you repair bells?") == "You said: Do you repair bells?"
    assert await asks(office, "Do you sell bells?") == KEPT
    trial = await payer.is_known("trialing", "starter")

    # It ends, and is paid for, while Temporal is away.
    temporal = mall.town.up.child("temporal")
    async with paused(temporal):
        stripe.clock.advance_past_period(trial["subscription_id"])
        await stripe.webhooks.settled()
        await kill(temporal)
    await payer.is_known("active", "starter")

    # The upgrade costs what was shown before, and is good for messages that come now.
    await payer.visit("billing")
    await payer.press("Upgrade to Pro", "link")
    due = await payer.page.get_by_role("list", name="What is due today").locator("data").inner_text()
    await payer.press("Go on to Stripe")
    await payer.reads(f"Amount due today {due}")
    await payer.press("Confirm")
    await payer.is_known("active", "pro")
    await expect(payer.page.locator("#plan")).to_contain_text("Pro")
    assert await asks(office, "Do you sell horns?") == "You said: Do you sell horns?"


async def test_a_subscription_that_is_not_paid_is_paid_late_and_is_cancelled(mall: Mall, payer: Payer) -> None:
    stripe, page = mall.stripe, payer.page
    await mall.offer(free=1)
    office = await payer.open_shop("Otto Kites")
    assert await asks(office, "One?") == "You said: One?"
    await payer.visit("billing/change?plan=pro&every=month")
    await payer.press("Go on to Stripe")
    await payer.give_card()
    await payer.press("Start trial")
    await payer.reads("Pro is yours")
    subscribed = await payer.account()
    stripe.clock.advance_past_period(subscribed["subscription_id"])
    await payer.is_known("active", "pro")

    # For a week everything goes on.
    stripe.decline(subscribed["customer_id"])
    stripe.clock.advance_past_period(subscribed["subscription_id"])
    await payer.is_known("past_due", "pro")
    await payer.visit("home")
    await payer.reads("The last payment did not go through.")
    assert await asks(office, "Two?") == "You said: Two?"

    # Then it has what costs nothing, though the worker dies that learns of it.
    looks = stripe.hang_next(f"/v1/customers/{subscribed['customer_id']}", method="GET", when="before")
    stripe.clock.advance(days=16)
    await looks.reached.wait()
    await kill(mall.town.up.child("worker", "--background"))
    looks.released.set()
    await payer.is_known("unpaid", "pro")
    await payer.visit("home")
    await payer.reads("An invoice has not been paid for too long.")
    assert await asks(office, "Three?") == KEPT
    await payer.visit("employees/new")
    await payer.press("Create draft")
    await payer.reads(OVERDUE)
    await payer.press("See plans", "link")
    await payer.press("Pay now")
    stripe.accept(subscribed["customer_id"])
    await payer.press("Pay now")
    await payer.press("Return to the shop", "link")
    await payer.is_known("active", "pro")
    await expect(page.locator("[data-notice]")).to_have_count(0)
    assert await asks(office, "Four?") == "You said: Four?"

    await payer.press("Cancel…", "link")
    await payer.press("Go on to Stripe")
    await payer.press("Cancel subscription")
    await payer.reads("Pro ends on")
    assert (await payer.account())["ends_at"] is not None
    assert await asks(office, "Five?") == "You said: Five?"

    stripe.clock.advance_past_period(subscribed["subscription_id"])
    await payer.is_known("canceled", "pro")
    await payer.visit("billing")
    await payer.reads("Pro has ended")
    assert await asks(office, "Six?") == KEPT
    # Nothing was deleted for all that.
    assert len(await office.rows("employees")) == 1
    assert len([row for row in await office.messages() if row["direction"] == "inbound"]) == 6


async def test_each_choice_of_what_happens_once_a_budget_is_spent(mall: Mall, payer: Payer) -> None:
    models = mall.town.models
    await mall.offer(free=1000)
    office = await payer.open_shop("Zoe Bells")
    await payer.set_budget("0.02", "Hand over to people")
    # The judge beside each answer costs nothing, and no other model stands in for one that is slow.
    models.always("ollama", Behaviour(answer=lambda _: '{"mood": "neutral"}'))
    models.always("openai", Behaviour(fault=Fault.UNAVAILABLE))
    models.always("anthropic", Behaviour(answer=lambda _: "ring " * 100))
    heard = [await asks(office, "How do bells sound?")]
    while heard[-1].startswith("ring ring"):
        assert len(heard) < 10
        heard.append(await asks(office, "And louder?"))
    assert len(heard) > 1
    assert heard[-1].startswith("I have asked for a person to take over")
    assert len(await office.rows("handoffs")) == 1
    # What was crossed within moments is one mail, of the highest.
    await mall.mail_to(payer.email, "is used up")

    await mall.town.forget()
    await payer.set_budget("0.02", "Answer with models that cost nothing")
    assert await asks(office, "What costs a bell?") == "You said: What costs a bell?"
    assert {call.provider for call in models.calls} == {"ollama"}

    await payer.set_budget("0.02", "Pause")
    talk = office.talk()
    await talk.mention("Are you there?")
    assert await talk.heard() == [SENTENCES["en"].later]
    await payer.set_budget("5", "Pause")
    assert await talk.heard(2, timeout=90) == [SENTENCES["en"].later, "You said: Are you there?"]

    assert len(mall.mails_to(payer.email, "is used up")) == 1
    [business] = [row for row in await office.rows("budget_months") if row["scope"] == "business"]
    [total] = await mall.town.rows(
        "select to_jsonb(sum(cost)) from usage u join tenants t on t.id = u.tenant_id where t.slug = $1", office.slug
    )
    assert business["spent"] == total
