"""How long people wait: from the ``handoff`` signal to the card, and from a takeover to its acknowledgement."""

import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial

from tests.acceptance.desks import Desk
from tests.acceptance.town import Talk
from tests.support.model_doubles import Behaviour

Figures = dict[str, list[float]]


async def measure(desk: Desk, rounds: int) -> Figures:
    """Seconds of each, taken in turn with plain turns, so that what else the machine does hits all alike."""
    figures: Figures = {
        "a plain turn": [],
        "signal to card": [],
        "takeover of the queue": [],
        "takeover of a thought": [],
    }
    for _ in range(rounds):
        talk = desk.office.talk()
        figures["a plain turn"].append(await _timed(partial(_turn, talk)))
        figures["signal to card"].append(await _to_card(desk, talk))
        handoff = await desk.handoff(talk)
        claim = f"/handoffs/{handoff['id']}/claim"
        figures["takeover of the queue"].append(await _timed(partial(_act, desk, claim)))
        figures["takeover of a thought"].append(await _of_a_thought(desk))
    return figures


def table(figures: Figures) -> str:
    base = statistics.median(figures["a plain turn"])
    lines = [f"{'':24} {'p50 ms':>8} {'p95 ms':>8} {'of a turn':>10}"]
    for name, seconds in figures.items():
        middle, late = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
        lines.append(f"{name:24} {middle * 1000:8.0f} {late * 1000:8.0f} {middle / base:10.2f}")
    return "\n".join(lines)


async def _timed(doing: Callable[[], Awaitable[None]]) -> float:
    began = time.monotonic()
    await doing()
    return time.monotonic() - began


async def _turn(talk: Talk) -> None:
    await talk.mention("Hello there.")
    await talk.heard(1)


async def _to_card(desk: Desk, talk: Talk) -> float:
    began = time.monotonic()
    await desk.hand_off(talk)
    card = await desk.card(talk)
    shown = [
        call.at
        for call in desk.town.slack.calls_of("chat.postMessage")
        if call.answer and call.answer.get("ts") == card["ts"]
    ]
    return shown[0] - began


async def _of_a_thought(desk: Desk) -> float:
    talk = desk.office.talk()
    desk.town.models.when("anthropic", talk.channel, Behaviour(lambda _: "Too late.", first_token_delay=5.0))
    await talk.mention(f"Think about {talk.channel}.")
    await desk.town.model_call(talk.channel)
    conversation = await desk.conversation(talk)
    return await _timed(partial(_act, desk, f"/conversations/{conversation['id']}/take-over"))


async def _act(desk: Desk, path: str) -> None:
    status, said = await desk.call("POST", path, {"agent": "anna"})
    assert status == 200, said  # A figure of what failed would be none.
