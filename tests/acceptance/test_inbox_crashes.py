"""What agents see while a part of the product is away: a sentence, and then all of it by itself, each line once."""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect

from konstruct.embedded.loopback import http_answers
from tests.acceptance.desks import Desk
from tests.acceptance.test_inbox import SOON, Agent, Team
from tests.acceptance.test_inbox import team as team
from tests.acceptance.town import Talk, Town
from tests.browser.conftest import browser as browser
from tests.support.processes import ended, kill, paused, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

HALF = "Half a thought"
OTHERS = {"valkey": ("valkey-server",), "temporal": ("temporal",), "worker": ("konstruct", "worker")}


@asynccontextmanager
async def away(town: Town, *victim: str, gently: bool = False) -> AsyncIterator[None]:
    """It is gone, and nobody starts it again."""
    pid = town.up.child(*victim)
    async with paused(town.up.process.pid):
        if gently:
            os.kill(pid, signal.SIGINT)
            await ended(pid)
        else:
            await kill(pid)
        yield


async def is_ready(town: Town) -> None:
    url = f"http://127.0.0.1:{town.env['KONSTRUCT_GATEWAY_PORT']}/health/ready"
    await until(lambda: http_answers(url), timeout=90)


async def at_work(desk: Desk, team: Team, talk: Talk) -> tuple[Agent, Agent]:
    """Paul has the conversation and is about to write; Rosa looks."""
    await desk.asked(talk)
    conversation_id = (await desk.conversation(talk))["id"]
    paul, rosa = [await team.joined(desk.office.slug, name) for name in ("Paul Adler", "Rosa Lima")]
    for agent in (paul, rosa):
        await agent.open(conversation_id)
    await paul.press("Take over")
    await paul.has_it()
    await paul.box.fill(HALF)
    await rosa.sees("Paul Adler has this conversation.")
    for agent in (paul, rosa):
        await agent.page.evaluate("() => { window.isTheSame = true; }")
    return paul, rosa


async def each_once(agents: Sequence[Agent], *texts: str) -> None:
    """All see all of it, in this order, and no page was loaded anew for that."""
    for agent in agents:
        for text in texts:
            await agent.sees(text)
        lines = await agent.page.locator("#conversation-log .line").all_inner_texts()
        seen = [text for line in lines for text in texts if text in line]
        assert seen == list(texts), lines
        assert await agent.page.evaluate("() => window.isTheSame") is True


async def says_so(agent: Agent, sentence: str) -> None:
    await expect(agent.page.locator("#live-trouble")).to_contain_text(sentence, timeout=SOON)


async def says_nothing_more(*agents: Agent) -> None:
    for agent in agents:
        await expect(agent.page.locator("#live-trouble")).to_be_hidden(timeout=90_000)


async def test_a_portal_that_is_killed_loses_and_doubles_nothing(desk: Desk, team: Team) -> None:
    talk = desk.office.talk()
    paul, rosa = await at_work(desk, team, talk)
    await talk.say("Before it.")
    await paul.sees("Before it.")
    async with away(desk.town, "konstruct", "portal"):
        await talk.say("Meanwhile, one.")
        await talk.say("Meanwhile, two.")
        for agent in (paul, rosa):
            await says_so(agent, "The portal does not answer.")
        await paul.box.press("Control+Enter")
        await expect(paul.page.get_by_text("What you wrote is still here").first).to_be_visible()
    await says_nothing_more(paul, rosa)
    await talk.say("After it.")
    told = ("Before it.", "Meanwhile, one.", "Meanwhile, two.", "After it.")
    await each_once((paul, rosa), *told)

    await expect(paul.box).to_have_value(HALF)
    await paul.box.press("Control+Enter")
    await expect(paul.box).to_have_value("", timeout=SOON)
    await each_once((paul, rosa), *told, HALF)
    await until(lambda: HALF in talk.texts()[-1], timeout=60)
    assert sum(HALF in text for text in talk.texts()) == 1


async def test_a_database_that_is_started_anew_is_told_of_and_waited_for(desk: Desk, team: Team) -> None:
    talk = desk.office.talk()
    paul, rosa = await at_work(desk, team, talk)
    async with away(desk.town, "postgres", gently=True):
        for agent in (paul, rosa):
            await says_so(agent, "The database does not answer.")
        await paul.box.press("Control+Enter")
        await expect(paul.page.locator("[data-toast]").last).to_be_visible()
        await expect(paul.box).to_have_value(HALF)
    await is_ready(desk.town)
    await says_nothing_more(paul, rosa)
    await paul.box.press("Control+Enter")
    await expect(paul.box).to_have_value("", timeout=SOON)
    await talk.say("After it.")
    await each_once((paul, rosa), HALF, "After it.")
    await until(lambda: any(HALF in text for text in talk.texts()), timeout=60)
    assert sum(HALF in text for text in talk.texts()) == 1


@pytest.mark.parametrize(
    "victim", [("valkey-server",), ("temporal",), ("konstruct", "worker")], ids=lambda name: name[-1]
)
async def test_what_is_written_while_another_part_is_away_goes_out_once(
    desk: Desk, team: Team, victim: tuple[str, ...]
) -> None:
    talk = desk.office.talk()
    paul, rosa = await at_work(desk, team, talk)
    async with away(desk.town, *victim):
        await paul.says(HALF)
        await talk.say("Meanwhile.")
        await each_once((paul, rosa), HALF, "Meanwhile.")
    await is_ready(desk.town)
    await until(lambda: any(HALF in text for text in talk.texts()), timeout=120)
    await paul.says("And on.")
    await until(lambda: any("And on." in text for text in talk.texts()), timeout=60)
    await each_once((paul, rosa), HALF, "Meanwhile.", "And on.")
    assert [sum(said in text for text in talk.texts()) for said in (HALF, "And on.")] == [1, 1]
