"""What a business pays for, with everything running: from signing up to the end of its subscription, and what contacts
hear meanwhile; and what becomes of their messages once a budget is spent.
"""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from konstruct.scope.sentences import SENTENCES
from tests.acceptance.conftest import made_folder
from tests.acceptance.payers import Mall, Payer, open_mall, open_payer
from tests.acceptance.processes import kill, paused, until
from tests.acceptance.town import Office
from tests.browser.conftest import browser as browser

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
    await payer.press("Try Starter for 14 days", "link")
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


_ = re, until
