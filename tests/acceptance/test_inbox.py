"""Agents in the portal, in real browsers, with contacts on the other side of Slack and of WhatsApp, and colleagues in
the hand-off channel: who has a conversation is heard, and nobody else is.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from playwright.async_api import Browser, Locator, Page, expect
from pydantic import SecretStr

from konstruct.accounts.permissions import Role
from konstruct.db import Database
from konstruct.identity import TenantId, new_id
from konstruct.vault import Vault
from tests.acceptance.desks import ANNA, Desk
from tests.acceptance.test_whatsapp import Business, open_business
from tests.acceptance.town import Town, prompt
from tests.browser.checking import DESK, check_page, listen
from tests.browser.conftest import browser as browser
from tests.support.members import Enrolled, enrolled
from tests.support.model_doubles import Behaviour, Json
from tests.support.processes import until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

NOTE = "Second complaint this month, be generous."
SOON = 40_000
"""Milliseconds."""


@dataclass
class Agent:
    """A member of the team with a browser."""

    who: Enrolled
    page: Page

    async def open(self, conversation_id: str) -> None:
        await self.page.goto(f"/t/{self.who.slug}/inbox/{conversation_id}")
        await expect(self.page.locator("#conversation-log")).to_be_visible()

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).locator("visible=true").first.click()

    async def sees(self, text: str | re.Pattern[str]) -> None:
        """Without the page being loaded anew."""
        found = self.page.locator("#inbox-conversation").get_by_text(text).locator("visible=true").first
        await expect(found).to_be_visible(timeout=SOON)

    async def has_it(self) -> None:
        await self.sees("You have it")

    @property
    def box(self) -> Locator:
        return self.page.locator("#reply-text")

    async def says(self, text: str) -> None:
        await self.box.fill(text)
        await self.box.press("Control+Enter")
        await expect(self.box).to_have_value("", timeout=SOON)

    async def notes(self, text: str) -> None:
        await self.page.get_by_role("tab", name="Note").click()
        await self.page.locator("#note-text").fill(text)
        await self.press("Keep the note")
        await self.sees(text)

    async def posts(self, conversation_id: str, what: str, **fields: str) -> int:
        """By hand, as no page of ours would."""
        path = f"/t/{self.who.slug}/inbox/{conversation_id}/{what}"
        origin = {"origin": re.sub(r"(//[^/]+).*", r"\1", self.page.url)}
        return (await self.page.request.post(path, form=dict(fields), headers=origin, max_redirects=0)).status


@dataclass
class Team:
    town: Town
    browser: Browser
    database: Database
    vault: Vault

    async def joined(self, slug: str, name: str, role: Role = "agent") -> Agent:
        [tenant] = await self.town.rows("select to_jsonb(t) from tenants t where slug = $1", slug)
        who = await enrolled(self.database, self.vault, role, TenantId(UUID(tenant["id"])), name=name)
        portal = f"http://127.0.0.1:{self.town.env['KONSTRUCT_PORTAL_PORT']}"
        context = await self.browser.new_context(
            base_url=portal, viewport=DESK, reduced_motion="reduce", locale="en-GB"
        )
        context.set_default_timeout(20_000)
        await context.add_cookies([who.browser_cookie])
        page = await context.new_page()
        listen(page)
        return Agent(who, page)


@pytest.fixture
async def team(town: Town, browser: Browser) -> AsyncIterator[Team]:
    addresses = town.addresses
    database = Database(SecretStr(addresses["database_url"]))
    vault = Vault(tuple(SecretStr(key) for key in addresses["encryption_keys"].split(",")))
    opened = len(browser.contexts)
    yield Team(town, browser, database, vault)
    for context in browser.contexts[opened:]:
        await context.close()
    await database.close()


@pytest.fixture(scope="module")
async def standing_business(standing_town: Town) -> Business:
    return await open_business(standing_town)


@pytest.fixture
async def business(town: Town, standing_business: Business) -> Business:
    return standing_business


async def entries(desk: Desk, handoff_id: str, kind: str) -> list[Json]:
    rows = await desk.office.rows("handoff_entries")
    return [row for row in rows if row["handoff_id"] == handoff_id and row["kind"] == kind]


async def test_of_two_who_take_it_over_at_once_one_has_it_and_the_other_reads_who(desk: Desk, team: Team) -> None:
    talk = desk.office.talk()
    await desk.asked(talk)
    conversation_id = (await desk.conversation(talk))["id"]
    agents = [await team.joined(desk.office.slug, name) for name in ("Paul Adler", "Rosa Lima")]
    for agent in agents:
        await agent.open(conversation_id)
        await expect(agent.box).to_have_count(0)

    await asyncio.gather(*(agent.press("Take over") for agent in agents))

    async def is_taken() -> bool:
        return str((await desk.conversation(talk))["owner"]) == "agent"

    await until(is_taken)
    owner = (await desk.conversation(talk))["agent"]
    winner, loser = agents if owner == f"user:{agents[0].who.user_id}" else agents[::-1]
    await winner.has_it()
    await expect(winner.box).to_be_visible()
    await loser.sees(f"{winner.who.name} has this conversation.")
    await expect(loser.page.get_by_text(f"{winner.who.name} has it already.").first).to_be_visible()
    await expect(loser.box).to_have_count(0)
    await desk.card(talk, f"{winner.who.name} has it")
    await check_page(loser.page)


async def test_from_taking_over_to_handing_back_with_slack(desk: Desk, team: Team) -> None:
    talk = desk.office.talk()
    await talk.mention("My bicycle is broken.")
    await talk.heard(1)
    conversation_id = (await desk.conversation(talk))["id"]
    paul, rosa = [await team.joined(desk.office.slug, name) for name in ("Paul Adler", "Rosa Lima")]
    for agent in (paul, rosa):
        await agent.open(conversation_id)
        await agent.sees("My bicycle is broken.")

    await paul.page.keyboard.press("c")
    await paul.has_it()
    await talk.say("Hello? Is somebody there?")
    await paul.sees("Hello? Is somebody there?")
    await paul.says("Hello, Paul here.\n// the chain, I guess")
    await paul.notes(NOTE)
    assert (await talk.heard(2))[1] == "Hello, Paul here."
    assert "Paul Adler" in talk.messages()[1]["username"]
    await rosa.sees("Paul Adler has this conversation.")

    await paul.page.keyboard.press("Escape")
    await paul.press("Transfer")
    await paul.page.get_by_label("To", exact=True).select_option(f"user:{rosa.who.user_id}")
    await paul.press("Give it to them")
    await rosa.has_it()
    await expect(paul.box).to_have_count(0)
    await rosa.sees(NOTE)
    await rosa.says("Rosa here. We send you a new chain on Monday.")
    assert (await talk.heard(3))[2] == "Rosa here. We send you a new chain on Monday."

    before = len(desk.town.models.calls)
    await rosa.press("Hand back")
    await rosa.page.get_by_label("Note for Ada").locator("visible=true").fill("The chain is sent from Graz.")
    await rosa.page.get_by_label("Let Ada write at once").check()
    await rosa.page.get_by_role("dialog").get_by_role("button", name="Hand back").click()
    await rosa.sees("Rosa Lima handed it back to Ada")
    await expect(rosa.box).to_have_count(0)

    texts = await talk.heard(4)
    told = [prompt(call) for call in desk.town.models.calls[before:] if "The chain is sent from Graz." in prompt(call)]
    assert told
    for internal in (NOTE, "the chain, I guess"):
        assert not any(internal in text for text in [*texts, *told])


async def test_from_taking_over_to_handing_back_with_whatsapp(business: Business, team: Team) -> None:
    desk, line = business.desk, business.line()
    await line.say("Where is my order 1042?")
    await line.heard(1)
    conversation_id = (await desk.conversation(line))["id"]
    paul, rosa = [await team.joined(desk.office.slug, name) for name in ("Paul Adler", "Rosa Lima")]
    await paul.open(conversation_id)
    await rosa.open(conversation_id)
    await paul.sees("WhatsApp takes answers until")

    await paul.press("Take over")
    await paul.has_it()
    await line.say("Are you there?")
    await paul.sees("Are you there?")
    await paul.says("Paul here: it arrives tomorrow.")
    assert (await line.heard(2))[1].text.endswith("Paul here: it arrives tomorrow.")
    reply = paul.page.locator(".line[data-by=agent]").filter(has_text="it arrives tomorrow")
    await expect(reply.get_by_text("Delivered")).to_be_visible(timeout=SOON)
    await paul.notes(NOTE)

    await paul.press("Transfer")
    await paul.page.get_by_label("To", exact=True).select_option(f"user:{rosa.who.user_id}")
    await paul.press("Give it to them")
    await rosa.has_it()
    await rosa.press("Hand back")
    await rosa.page.get_by_role("dialog").get_by_role("button", name="Hand back").click()
    await rosa.sees("Rosa Lima handed it back to Ada")
    await line.say("Thank you!")
    texts = [each.text for each in await line.heard(3)]
    assert not any(NOTE in text for text in texts)
    # What the employee says then repeats what it read.
    assert sum("it arrives tomorrow" in text for text in texts[:-1]) == 1


async def test_one_in_the_portal_and_one_in_slack_share_a_conversation(desk: Desk, team: Team) -> None:
    talk = desk.office.talk()
    card = await desk.asked(talk)
    conversation_id = (await desk.conversation(talk))["id"]
    paul = await team.joined(desk.office.slug, "Paul Adler")
    await paul.open(conversation_id)
    await paul.sees("Needs a person")

    await desk.press(card, ANNA, "claim")
    await paul.sees("Anna Berg has this conversation.")
    await desk.write(card, ANNA, "Hello from Anna.")
    await paul.sees("Hello from Anna.")
    await paul.page.get_by_text("Write a note for colleagues").click()
    await paul.page.locator("#note-text").fill(NOTE)
    await paul.press("Keep the note")
    await desk.thread(card, "Note by Paul Adler, not shown to the contact:", NOTE)

    await desk.order(card, ANNA, "release")
    await paul.sees("Needs a person")
    await paul.press("Take over")
    await paul.has_it()
    await desk.write(card, ANNA, "One more thing.")
    await desk.whispered(ANNA, "Paul Adler has the conversation")
    await paul.says("Paul goes on here.")
    await desk.thread(card, "Paul Adler, to the contact:", "Paul goes on here.")
    assert [text for text in await talk.heard(3) if "Paul" in text or "Anna" in text] == [
        "Hello from Anna.",
        "Paul goes on here.",
    ]


async def test_nothing_that_can_send_is_there_for_who_does_not_have_it(desk: Desk, team: Team) -> None:
    talk = desk.office.talk()
    await desk.asked(talk)
    conversation_id, handoff = (await desk.conversation(talk))["id"], (await desk.handoff(talk))["id"]
    paul, rosa = [await team.joined(desk.office.slug, name) for name in ("Paul Adler", "Rosa Lima")]
    vera = await team.joined(desk.office.slug, "Vera Lind", "viewer")
    chief = await team.joined(desk.office.slug, "Cleo Wirth", "admin")
    for agent in (paul, rosa, vera, chief):
        await agent.open(conversation_id)
        await expect(agent.page.locator("form[action$='/reply']")).to_have_count(0)
    sent = {"handoff": handoff, "text": "Not for you to say.", "message": str(new_id())}
    assert [await each.posts(conversation_id, "reply", **sent) for each in (paul, rosa, vera)] == [409, 409, 403]

    await paul.press("Take over")
    await paul.has_it()
    await paul.box.fill("A long and careful answer")
    assert [await each.posts(conversation_id, "reply", **sent) for each in (rosa, chief)] == [409, 409]

    # It is taken from under the hands of somebody who writes: nothing is sent, and not a word is lost.
    await chief.sees("Paul Adler has this conversation.")
    await chief.press("Take over")
    await chief.press("Take it over")
    await chief.has_it()
    await expect(paul.box).to_have_count(0, timeout=SOON)
    await expect(paul.page.locator("#kept-text")).to_have_value("A long and careful answer")
    await paul.sees("Cleo Wirth has this conversation.")
    assert await paul.posts(conversation_id, "reply", **sent) == 409
    assert await entries(desk, handoff, "reply") == []
    assert [text for text in talk.texts() if "say" in text or "careful" in text] == []


async def test_a_draft_is_written_on_request_and_used(desk: Desk, team: Team) -> None:
    talk = desk.office.talk()
    await desk.asked(talk)
    paul = await team.joined(desk.office.slug, "Paul Adler")
    await paul.open((await desk.conversation(talk))["id"])
    await paul.press("Take over")
    await paul.has_it()
    desk.town.models.when("anthropic", "Write the reply that", Behaviour(lambda _: "Dear friend, it is on its way."))
    await paul.press("Draft")
    await paul.sees("Dear friend, it is on its way.")
    await paul.page.get_by_role("link", name="Use it").locator("visible=true").first.click()
    await expect(paul.box).to_have_value("Dear friend, it is on its way.")
    assert not any("Dear friend" in text for text in talk.texts())
    await paul.box.press("Control+Enter")
    assert "Dear friend, it is on its way." in (await talk.heard(2))[1]
