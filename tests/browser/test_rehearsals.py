"""The chat beside the designer's form in a real browser: what is open stays open, and nothing that is typed is lost."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from playwright.async_api import Locator, Page, expect
from pydantic import SecretStr
from sqlmodel import col, select
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.builtin_tools import BuiltinTools
from activities.delivery import Delivery
from activities.thinking import Thinking
from activities.tool_use import ToolUse
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.mcp import HttpMcp
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.contracts.conversation import DeliverRequest, ThinkRequest, Thought, ToolCallRequest
from konstruct.db import Database
from konstruct.designs import drafting
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.tables import Message
from konstruct.vault import Vault
from tests.activities.turns import calling
from tests.browser.checking import TELEPHONE, check_page
from tests.browser.conftest import PageAs
from tests.support.doubles import GivenEmbedders, KeptWindows, NothingCools, ScriptedModel, WordEmbedder
from tests.support.members import Enrolled, enrolled
from tests.support.odd_shop import OddShop
from tests.support.office import Office, open_office
from tests.support.workshop import define, over_http

pytestmark = pytest.mark.stack


class Worker:
    """What a worker would do in rehearsals, at the moment that a test says."""

    def __init__(self, office: Office, model: ScriptedModel, tool_use: ToolUse) -> None:
        embedder = WordEmbedder()
        settings = Settings(anthropic_api_key=SecretStr("sk-ant-canary"), openai_api_key=SecretStr("sk-canary"))
        messengers, windows = {"rehearsal": ConsoleMessenger()}, KeptWindows()
        self.office, self._tool_use = office, tool_use
        self._thinking = Thinking(
            *(settings, office.database, office.vault, model, NothingCools(), messengers, windows),
            GivenEmbedders({embedder.name: embedder}),
        )
        self._delivery = Delivery(office.database, office.vault, messengers, windows)

    async def work(self) -> None:
        """Answers what waits for an answer."""
        async with self.office.session() as session:
            asked = (
                await session.scalars(
                    select(Message).where(Message.state == "received").order_by(col(Message.created_at).desc())
                )
            ).first()
        assert asked is not None
        turn_id, step = new_id(), 0
        while True:
            request = ThinkRequest(self.office.tenant_id, asked.conversation_id, turn_id, [asked.id], step)
            thought: Thought = await ActivityEnvironment().run(self._thinking.think, request)
            if thought.decision != "tools":
                break
            for call in thought.calls:
                to_make = ToolCallRequest(self.office.tenant_id, call.call_id, call.attempts)
                await ActivityEnvironment().run(self._tool_use.call_tool, to_make)
            step += 1
        sending = DeliverRequest(self.office.tenant_id, asked.conversation_id, thought.reply_ids)
        await ActivityEnvironment().run(self._delivery.deliver, sending)


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    return await open_office(
        database, vault, models=["anthropic/claude-sonnet-4-6"], prompts=["When are you open?", "Can I rent a bike?"]
    )


@pytest.fixture
async def shop() -> AsyncIterator[OddShop]:
    double = OddShop()
    async with double.running():
        yield double


@pytest.fixture
async def worker(office: Office, model: ScriptedModel, shop: OddShop, temporal_client: Client) -> AsyncIterator[Worker]:
    embedder = WordEmbedder()
    builtin = BuiltinTools(
        office.database, office.vault, GivenEmbedders({embedder.name: embedder}), NothingCools(), temporal_client
    )
    async with open_client([shop.place]) as client:
        mcp = HttpMcp(partial(open_client, [shop.place]))
        yield Worker(office, model, ToolUse(office.database, office.vault, builtin, SafeWeb(client), mcp))


@pytest.fixture
async def who(office: Office) -> Enrolled:
    return await enrolled(office.database, office.vault, "owner", office.tenant_id)


async def has_refunds(office: Office, shop: OddShop, who: Enrolled) -> None:
    parameters = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
    auth, body = {"kind": "bearer"}, {"amount": "{amount}"}
    definition = over_http(f"{shop.url}/ok", "POST", "changes", auth=auth, body=body, parameters=parameters)
    await define(office, "refund", definition, secret="sk-of-the-shop")
    await save(office, who, tools=[{"name": "refund"}, {"name": "hand_off"}])


async def save(office: Office, who: Enrolled, **changes: object) -> None:
    async with office.session() as session:
        draft = await drafting.read(session, "ada")
        content = draft.content | changes
        await drafting.save(session, "ada", content, revision=draft.revision, actor=who.actor)


def panel(page: Page) -> Locator:
    return page.locator("#rehearsal")


async def opened(page_as: PageAs, who: Enrolled, more: str = "") -> Page:
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/employees/ada{more}")
    await expect(panel(page).get_by_text("Nobody else sees this.")).to_be_visible()
    return page


async def say(page: Page, text: str) -> None:
    await panel(page).get_by_label("What a contact would write").fill(text)
    await page.keyboard.press("Enter")
    await expect(panel(page).get_by_text("Ada is thinking")).to_be_visible()


async def test_beside_the_form_a_suggestion_is_tried_and_its_answer_shows_how_it_came_about(
    page_as: PageAs, who: Enrolled, worker: Worker, model: ScriptedModel
) -> None:
    page = await opened(page_as, who)
    await panel(page).get_by_role("button", name="When are you open?").click()
    await expect(panel(page).get_by_text("Ada is thinking")).to_be_visible()
    model.script("From nine to six.")
    await worker.work()

    await expect(panel(page).get_by_text("From nine to six.")).to_be_visible()
    await panel(page).locator(".trace > summary").click()
    for part in ("Prompt", "Memory", "Knowledge", "Tools", "Rules", "Cost and time"):
        await panel(page).locator(".trace-part > summary", has_text=part).click()
    await expect(panel(page).locator("[data-role=system]", has_text="Be brief.")).to_be_visible()
    await expect(panel(page).get_by_role("cell", name="anthropic/claude-sonnet-4-6")).to_be_visible()
    await check_page(page)


async def test_what_is_open_and_what_is_typed_stay_when_something_new_comes(
    page_as: PageAs, who: Enrolled, worker: Worker, model: ScriptedModel
) -> None:
    page = await opened(page_as, who)
    await say(page, "First?")
    await worker.work()
    await expect(panel(page).get_by_text("Hello!")).to_be_visible()
    await panel(page).locator(".trace > summary").click()
    await panel(page).locator(".trace-part > summary", has_text="Prompt").click()
    await say(page, "Second?")
    typing = panel(page).get_by_label("What a contact would write")
    await expect(typing).to_have_value("")
    await typing.type("And a third, while it thi")
    model.script("The second answer.")
    await worker.work()

    await expect(panel(page).get_by_text("The second answer.")).to_be_visible()
    await expect(typing).to_have_value("And a third, while it thi")
    await expect(typing).to_be_focused()
    await expect(panel(page).locator(".trace").first.locator("[data-role=system]")).to_be_visible()


async def test_shift_and_enter_start_a_new_line_and_what_is_refused_stays_in_the_field(
    page_as: PageAs, who: Enrolled, office: Office
) -> None:
    page = await opened(page_as, who)
    await save(office, who, system_prompt="")
    typing = panel(page).get_by_label("What a contact would write")
    await typing.fill("One")
    await page.keyboard.press("Shift+Enter")
    await typing.type("two")
    await page.keyboard.press("Enter")

    await expect(panel(page).get_by_role("alert")).to_contain_text("This draft cannot be tried out yet.")
    await expect(typing).to_have_value("One\ntwo")
    await check_page(page)


async def test_while_the_portal_does_not_answer_that_is_said_and_nothing_is_lost(
    page_as: PageAs, who: Enrolled
) -> None:
    page = await opened(page_as, who)
    await page.context.set_offline(True)
    typing = panel(page).get_by_label("What a contact would write")
    await typing.fill("Is anybody there?")
    await page.keyboard.press("Enter")
    await expect(panel(page).get_by_role("alert")).to_contain_text("The portal does not answer.")
    await expect(typing).to_have_value("Is anybody there?")
    await page.context.set_offline(False)
    await page.keyboard.press("Enter")
    await expect(panel(page).get_by_text("Ada is thinking")).to_be_visible()
    await expect(typing).to_have_value("")


async def test_where_the_draft_moves_on_one_restarts_with_it_and_forgets_what_was(
    page_as: PageAs, who: Enrolled, office: Office, worker: Worker
) -> None:
    page = await opened(page_as, who)
    await say(page, "First?")
    await worker.work()
    await save(office, who, persona="Very kind.")
    await panel(page).get_by_role("button", name="Try the draft as it is now").click()
    await expect(panel(page).get_by_text("First?")).to_have_count(0)
    await expect(panel(page).get_by_text("Draft 1")).to_be_visible()
    await say(page, "Second?")
    await panel(page).get_by_role("button", name="Forget all rehearsals").click()
    await page.get_by_role("button", name="Forget everything").click()
    await expect(panel(page).get_by_text("Nobody else sees this.")).to_be_visible()


async def test_a_tool_is_simulated_and_a_handoff_said_and_on_a_telephone_the_chat_is_a_page(
    page_as: PageAs, who: Enrolled, office: Office, worker: Worker, model: ScriptedModel, shop: OddShop
) -> None:
    await has_refunds(office, shop, who)
    page = await page_as(who)
    await page.set_viewport_size(TELEPHONE)
    await page.goto(f"/t/{who.slug}/employees/ada")
    await expect(panel(page)).to_be_hidden()
    await page.get_by_role("link", name="Try the draft").click()
    await page.wait_for_url("**/rehearsal")
    model.script(calling("refund", arguments='{"amount": 20}'), "It is on its way.")
    await say(page, "My 20 euros, please.")
    await worker.work()
    await expect(panel(page).get_by_text("It is on its way.")).to_be_visible()
    model.script(calling("hand_off", arguments='{"reason": "They want a person."}'))
    await say(page, "A person, please.")
    await worker.work()

    await expect(panel(page).get_by_text("Would hand off to everyone", exact=True)).to_be_visible()
    assert shop.taken == []
    await panel(page).locator(".trace > summary").first.click()
    await panel(page).locator(".trace").first.locator("summary", has_text="Tools").click()
    await expect(panel(page).get_by_text(f"POST {shop.url}/ok")).to_be_visible()
    await check_page(page)
