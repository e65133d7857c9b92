"""What a turn can look back on of its calls: whole results, and how many searches were made before."""

from typing import Any
from uuid import UUID

import pytest

from konstruct.identity import new_id
from konstruct.ports import ToolCall
from konstruct.tools import calls, earlier
from konstruct.tools.calls import Begun, Outcome
from konstruct.tools.results import LONGEST_SHOWN
from tests.support.office import Office
from tests.support.workshop import (
    define,
    job,
    over_http,
    publish,
)

SHOP = "https://shop.example.com/orders"
ORDER: dict[str, Any] = {"type": "object", "properties": {"order": {"type": "string"}}}


@pytest.fixture
async def shop(office: Office) -> Office:
    """An employee that may look without asking, pay after asking, mail at will and note what it learns."""
    await define(office, "look", over_http(SHOP, parameters=ORDER))
    await define(office, "pay", over_http(SHOP, "POST", "changes", parameters=ORDER, timeout_seconds=40))
    await define(office, "mail", over_http(SHOP, "POST", "sends", parameters=ORDER))
    await publish(office, "look", "pay", {"name": "mail", "approval": "never"}, "remember", "current_time")
    return office


async def begin(office: Office, call_id: UUID) -> Begun | None:
    async with office.session() as session:
        return await calls.begin(session, office.vault, call_id)


async def settle(office: Office, call_id: UUID, outcome: Outcome) -> None:
    async with office.session() as session:
        await calls.settle(session, office.vault, call_id, outcome)


async def put_back(office: Office, call_id: UUID) -> None:
    async with office.session() as session:
        await calls.put_back(session, call_id)


async def test_a_long_result_is_kept_whole_for_its_conversation_alone(shop: Office) -> None:
    turn, other = await job(shop), await shop.say(root="2.0")
    long, short = (await turn.step("look", "current_time")).calls
    text = "line\n" * 4_000
    await settle(shop, long.call_id, Outcome("done", text, is_untrusted=True))
    await settle(shop, short.call_id, Outcome("done", "Noon."))
    shown, _ = await turn.told()
    assert len(shown) < LONGEST_SHOWN + 400
    assert str(long.call_id) in shown
    async with shop.session() as session:
        whole = await earlier.whole_result(session, shop.vault, turn.asked.conversation_id, long.call_id)
        assert whole == earlier.Whole(text, is_untrusted=True)
        assert await earlier.whole_result(session, shop.vault, other.conversation_id, long.call_id) is None
        assert await earlier.whole_result(session, shop.vault, turn.asked.conversation_id, short.call_id) is None
        assert await earlier.whole_result(session, shop.vault, turn.asked.conversation_id, new_id()) is None


async def test_searches_of_a_turn_are_counted_by_their_place(shop: Office) -> None:
    turn = await job(shop)
    await turn.step("look", ToolCall("2", "look", '{"order": "A"}'), "current_time")
    await turn.step(ToolCall("3", "look", '{"order": "B"}'))
    other = await job(shop, root="2.0")
    await other.step("look")
    async with shop.session() as session:
        found = [
            await earlier.searches_before(session, await calls.get(session, call.call_id), "look")
            for step in await turn.past()
            for call in step.calls
        ]
    assert found == [0, 1, 2, 2]
