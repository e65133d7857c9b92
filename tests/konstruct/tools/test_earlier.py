"""What a turn can look back on of its calls: whole results, and how many searches were made before."""

from konstruct.identity import new_id
from konstruct.ports import ToolCall
from konstruct.tools import calls, earlier
from konstruct.tools.calls import Outcome
from konstruct.tools.results import LONGEST_SHOWN
from tests.support.office import Office
from tests.support.workshop import (
    job,
    settle,
)


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
