"""Takeovers at random moments of a turn, counted: what the employee says after one, and what of people is lost."""

import asyncio
import random
import secrets
import time
from dataclasses import dataclass, field, fields
from typing import Any

from tests.acceptance.desks import ROOM, Desk
from tests.acceptance.shops import written
from tests.acceptance.town import Talk, shown_text
from tests.support.model_doubles import Behaviour, Json
from tests.support.processes import until
from tests.support.slack_double import Call

LONGEST_THOUGHT = 0.5
SLOW_TOKEN = 0.1
"""Seconds for each word of a third of the answers, which is then streamed."""
LATEST_TAKEOVER = 3.0
"""Seconds after the contact's word: before, during and after thinking and sending."""


@dataclass
class Tally:
    """Of many trials. All but the first two are faults."""

    trials: int = 0
    cut_off: int = 0
    """Takeovers that came before the employee's answer was sent."""
    said_after_takeover: int = 0
    contact_lost: int = 0
    contact_twice: int = 0
    agent_lost: int = 0
    agent_twice: int = 0
    faulty: list[str] = field(default_factory=list)
    """The channels of trials in which something was amiss."""

    def __str__(self) -> str:
        return ", ".join(f"{each.name} {getattr(self, each.name)}" for each in fields(self))

    @property
    def faults(self) -> int:
        amiss = (self.contact_lost, self.contact_twice, self.agent_lost, self.agent_twice)
        return self.said_after_takeover + sum(amiss)


async def race(desk: Desk, trials: int, *, at_once: int, seed: int) -> Tally:
    """Each trial is a conversation of its own; ``at_once`` of them go on side by side."""
    tally, room = Tally(), asyncio.Semaphore(at_once)
    random_ = random.Random(seed)  # Moments, not secrets.

    async def one(number: int) -> None:
        async with room:
            await _trial(desk, number, random.Random(random_.random()), tally)

    await asyncio.gather(*(one(number) for number in range(trials)))
    return tally


async def _trial(desk: Desk, number: int, chance: random.Random, tally: Tally) -> None:
    talk, mark = desk.office.talk(), f"trial-{number}-{secrets.token_hex(3)}"
    thought = Behaviour(
        lambda _: f"Answer to {mark}. {'It is told in many words. ' * 2}{_end(mark)}",
        first_token_delay=chance.random() * LONGEST_THOUGHT,
        token_delay=0.0 if number % 3 else SLOW_TOKEN,
    )
    desk.town.models.turns("anthropic", mark, thought)
    began = time.monotonic()
    await _say(talk, f"<@{talk.workspace.bot_user_id}> First {mark}")
    conversation = await desk.conversation(talk)
    again = asyncio.create_task(_say_at(talk, began + chance.random() * LATEST_TAKEOVER, f"Second {mark}"))
    await asyncio.sleep(max(0.0, began + chance.random() * LATEST_TAKEOVER - time.monotonic()))
    status, owned = await desk.call("POST", f"/conversations/{conversation['id']}/take-over", {"agent": "anna"})
    acknowledged = time.monotonic()
    assert status == 200, owned
    await asyncio.gather(again, *(_reply(desk, owned["handoff_id"], f"Reply {n} {mark}") for n in range(2)))
    await _say(talk, f"Third {mark}")
    await _settled(desk, talk, mark, conversation["id"])
    _count(desk, talk, mark, acknowledged, await _passed(desk, conversation["id"]), tally)


async def _say_at(talk: Talk, at: float, text: str) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    await _say(talk, text)


async def _say(talk: Talk, text: str) -> None:
    """With Slack's patience: what is not answered in time, or not at all, comes again."""
    team = talk.workspace.team_id
    said = await talk.slack.person_says(talk.channel, talk.user, text, thread_ts=talk.root or None, team=team)
    talk.root = talk.root or said.ts
    for delivery in said.deliveries:
        for number in range(1, 4):
            if delivery.failure in ("connection_failed", "http_timeout"):
                delivery = await talk.slack.send(delivery.envelope, retry=(number, delivery.failure))
        assert delivery.status == 200, delivery


async def _reply(desk: Desk, handoff_id: str, text: str) -> None:
    """Twice under one key, as a program does that did not hear the answer."""
    key = secrets.token_hex(8)
    for _ in range(2):
        status, said = await desk.call(
            "POST", f"/handoffs/{handoff_id}/replies", {"agent": "anna", "text": text}, key=key
        )
        assert status in (200, 201), said


async def _settled(desk: Desk, talk: Talk, mark: str, conversation_id: str) -> None:
    """Until all that is to come has come: replies in the talk, and in the card's thread what is the agent's to read."""

    card = await desk.card(talk)

    async def holds() -> bool:
        texts = [shown_text(each) for each in talk.messages()]
        return (
            all(any(f"Reply {n} {mark}" in text for text in texts) for n in range(2))
            and any(f"Third {mark}" in line for line in _lines(desk, card))
            and not await _is_under_way(desk, conversation_id)
        )

    await until(holds, timeout=90)


def _lines(desk: Desk, card: Json) -> list[str]:
    messages = desk.town.slack.bot_messages(ROOM, team=desk.office.workspace.team_id)
    return ["".join(written(each)) for each in messages if each.get("thread_ts") == card["ts"] != each["ts"]]


async def _is_under_way(desk: Desk, conversation_id: str) -> bool:
    rows = await desk.town.rows(
        "select to_jsonb(m) from messages m where conversation_id = $1"
        " and state in ('received', 'taken', 'pending', 'sending')",
        conversation_id,
    )
    return bool(rows)


async def _passed(desk: Desk, conversation_id: str) -> int:
    """How many of the contact's messages are the agent's."""
    rows = await desk.town.rows(
        "select to_jsonb(m) from messages m where conversation_id = $1 and author = 'contact' and state = 'passed'",
        conversation_id,
    )
    return len(rows)


def _count(desk: Desk, talk: Talk, mark: str, acknowledged: float, passed: int, tally: Tally) -> None:
    calls = [call for call in desk.town.slack.calls if call.args.get("channel") == talk.channel]
    late = [call for call in calls if call.at > acknowledged and _is_said_by_employee(call, mark)]
    texts = [shown_text(each) for each in talk.messages()]
    replies = [sum(f"Reply {n} {mark}" in text for text in texts) for n in range(2)]
    lines = [
        "".join(written(each))
        for each in desk.town.slack.bot_messages(ROOM, team=desk.office.workspace.team_id)
        if mark in "".join(written(each)) and each.get("thread_ts") != each["ts"]
    ]
    shown = [sum(f"Contact:{word} {mark}" in line for line in lines) for word in ("First", "Second", "Third")]
    found = {
        "said_after_takeover": len(late),
        "contact_lost": max(0, passed - sum(shown)),
        "contact_twice": sum(count > 1 for count in shown),
        "agent_lost": sum(count == 0 for count in replies),
        "agent_twice": sum(count > 1 for count in replies),
    }
    tally.trials += 1
    tally.cut_off += not any(_end(mark) in text for text in texts)
    for name, count in found.items():
        setattr(tally, name, getattr(tally, name) + count)
    if any(found.values()):
        tally.faulty.append(f"{talk.channel} {found}")


def _end(mark: str) -> str:
    return f"So much for {mark}."


def _is_said_by_employee(call: Call, mark: str) -> bool:
    """Whatever is still streamed, and every message that answers."""
    if call.method in ("chat.startStream", "chat.appendStream"):
        return True
    return call.method in ("chat.postMessage", "chat.update") and f"Answer to {mark}." in _text(call.args)


def _text(args: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in args.get("blocks", ()) if block.get("type") == "markdown")
