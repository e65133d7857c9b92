"""Calls as they are kept: a step once, each call from ready to settled, and the turn as its model sees it again."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from konstruct import contacts, conversations, revising, withdrawing
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.ports import ToolCall
from konstruct.tables import Approval, Step
from konstruct.tables import ToolCall as CallRow
from konstruct.tables.base import utc_now
from konstruct.tools import calls
from konstruct.tools.calls import CANCELLED, UNKNOWN, WAITING, Begun, Outcome, Proposal
from tests.support.office import Office
from tests.support.workshop import (
    Job,
    approval_row,
    call_row,
    call_states,
    is_tainted,
    job,
    settle,
)


async def begin(office: Office, call_id: UUID) -> Begun | None:
    async with office.session() as session:
        return await calls.begin(session, office.vault, call_id)


async def put_back(office: Office, call_id: UUID) -> None:
    async with office.session() as session:
        await calls.put_back(session, call_id)


async def test_a_step_is_kept_with_its_calls_sealed_and_on_record(shop: Office) -> None:
    turn = await job(shop)
    kept = await turn.step(ToolCall("toolu_1", "look", '{"order": "canary-17"}'), "pay", text="Canary thought")

    assert kept.outcome == "stored"
    [look] = kept.calls
    [approval_id] = kept.approvals
    assert (look.timeout, look.attempts) == (15.0, 3)
    row = await call_row(shop, look.call_id)
    assert (row.tool, row.risk, row.state, row.step, row.position) == ("look", "reads", "ready", 0, 0)
    assert (row.model_call_id, row.turn_id, row.conversation_id) == (
        "toolu_1",
        turn.turn_id,
        turn.asked.conversation_id,
    )
    assert row.detail.keys() == {"repeatable", "timeout", "digest"}
    assert (row.settled_at, row.sealed_result, row.attempts) == (None, None, 0)
    approval = await approval_row(shop, approval_id)
    waiting = await call_row(shop, approval.call_id)
    assert (waiting.state, waiting.position, waiting.detail["repeatable"]) == ("waiting", 1, False)
    assert (approval.tool, approval.risk, approval.state, approval.fingerprint) == (
        *("pay", "changes", "waiting"),
        waiting.fingerprint,
    )
    assert "set up to ask first" in approval.reason
    assert timedelta(days=2) < approval.expires_at - utc_now() <= timedelta(days=3)
    async with shop.session() as session:
        step = await session.get_one(Step, (shop.tenant_id, turn.turn_id, 0))
    assert (step.after_seq, step.link) == (1, "openai/gpt-5.4")
    assert b"anary" not in (step.sealed or b"") + row.sealed_arguments
    events = await shop.events("tool.proposed")
    assert sorted((event.detail["tool"], event.detail["state"]) for event in events) == [
        ("look", "ready"),
        ("pay", "waiting"),
    ]
    assert "anary" not in str([event.detail for event in events])


async def test_the_turn_is_seen_again_as_it_was(shop: Office) -> None:
    turn = await job(shop)
    kept = await turn.step(ToolCall("toolu_1", "look", '{"order": "A-17"}'), "pay", "nothing", text="Let me see.")
    await settle(shop, kept.calls[0].call_id, Outcome("done", "Shipped.", is_untrusted=True))
    await turn.step("current_time")
    first, second = await turn.past()
    assert (first.number, first.text, first.after_seq, second.number, second.text) == (0, "Let me see.", 1, 1, "")
    look, pay, nothing = first.calls
    assert (look.model_call_id, look.name, look.arguments) == ("toolu_1", "look", '{"order":"A-17"}')
    assert (look.result, look.state, look.is_untrusted) == ("Shipped.", "done", True)
    assert look.fingerprint == (await call_row(shop, look.call_id)).fingerprint
    assert (pay.result, pay.state, pay.is_untrusted) == (WAITING, "waiting", False)
    assert nothing.result.startswith("There is no such tool.")
    assert (nothing.state, (await call_row(shop, nothing.call_id)).tool_id) == ("invalid", None)
    # What has no result yet, as of a call whose attempts all died unseen.
    [time] = second.calls
    assert time.result == UNKNOWN


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "half \ud800 a character"])
async def test_whatever_a_model_calls_is_kept(shop: Office, name: str) -> None:
    turn = await job(shop)
    await turn.step(ToolCall(f"id {name}", name, f'{{"order": "{name}"}}'))
    [step] = await turn.past()
    assert step.calls[0].state == "invalid"
    assert len(step.calls[0].name) <= 100


async def test_of_several_attempts_at_a_step_the_first_ones_calls_stand(shop: Office) -> None:
    turn = await job(shop)
    first = await turn.step("look", "pay")
    turn.steps = 0
    assert await turn.step("mail") == first
    assert await call_states(shop) == ["ready", "waiting"]
    async with shop.session() as session:
        assert await calls.stored_step(session, turn.turn_id, 0) == first
        assert await calls.stored_step(session, turn.turn_id, 1) is None
        assert await calls.stored_step(session, new_id(), 0) is None


async def test_two_attempts_at_once_keep_one_step(shop: Office) -> None:
    turn = await job(shop)
    twin = Job(shop, turn.asked, turn.turn_id)
    first, second = await asyncio.gather(turn.step("look"), twin.step("look"))
    assert first == second
    assert await call_states(shop) == ["ready"]


async def test_a_step_that_wants_nothing_done_is_kept_once_too(shop: Office) -> None:
    turn = await job(shop)
    first = await turn.keep()
    assert await turn.keep() == first


async def test_a_call_that_was_settled_is_not_to_be_made_by_the_next_attempt(shop: Office) -> None:
    turn = await job(shop)
    kept = await turn.step("look", "current_time", "mail")
    look, time, mail = (each.call_id for each in kept.calls)
    await settle(shop, look, Outcome("done", "Shipped."))
    await begin(shop, time)
    async with shop.session() as session:
        again = await calls.stored_step(session, turn.turn_id, 0)
    assert again is not None
    # What runs may have died: that is for the call itself to find out.
    assert [each.call_id for each in again.calls] == [time, mail]


async def test_a_turn_that_was_superseded_keeps_no_step(shop: Office) -> None:
    turn = await job(shop)
    begun = await shop.begin(turn.asked, turn.turn_id)
    assert isinstance(begun, conversations.Turn)
    await shop.begin(turn.asked, new_id())
    kept = await turn.keep()
    assert kept.outcome == "superseded"
    assert await shop.rows(CallRow) == []


async def test_a_turn_that_was_answered_keeps_no_step_any_more(shop: Office) -> None:
    """Its other attempt was taken for dead, and answered without these calls: nobody is to be asked for them."""
    turn = await job(shop)
    assert isinstance(await shop.begin(turn.asked, turn.turn_id), conversations.Turn)
    await shop.finish(turn.asked, turn.turn_id, "Hello!")
    kept = await turn.keep(Proposal("1", "pay", "{}", "invalid"))
    assert kept.outcome == "superseded"
    assert (await shop.rows(CallRow), await shop.rows(Approval)) == ([], [])


@pytest.mark.parametrize("why", ["owner", "taken back"])
async def test_nothing_is_kept_for_nobody(shop: Office, why: str) -> None:
    turn = Job(shop, await shop.say(external_id="m1"))
    assert isinstance(await shop.begin(turn.asked, turn.turn_id), conversations.Turn)
    if why == "owner":
        await shop.change_owner(turn.asked.conversation_id, "agent")
    else:
        async with shop.session() as session:
            await revising.remove(session, shop.vault, shop.ref, "m1")
    kept = await turn.keep()
    assert kept.outcome == "nothing"


async def test_a_call_is_begun_and_settled(shop: Office) -> None:
    turn = await job(shop)
    [call] = (await turn.step(ToolCall("1", "look", '{"order": "A-17"}'))).calls
    begun = await begin(shop, call.call_id)
    assert begun is not None
    assert begun.arguments == '{"order":"A-17"}'
    row = await call_row(shop, call.call_id)
    assert (row.state, row.attempts) == ("running", 1)
    assert row.started_at is not None
    sources = [{"number": 1, "title": "T", "link": None, "text": "Canary"}]
    await settle(shop, call.call_id, Outcome("done", {"state": "shipped"}, sources=sources))
    row = await call_row(shop, call.call_id)
    assert row.state == "done"
    assert row.settled_at is not None
    [past] = (await turn.past())[0].calls
    assert (past.result, past.sources) == ('{\n "state": "shipped"\n}', sources)
    [event] = await shop.events("tool.called")
    assert (event.detail["state"], event.detail["attempts"], event.detail["call_id"]) == ("done", 1, str(call.call_id))
    assert await begin(shop, call.call_id) is None


async def test_the_first_word_on_a_call_stands(shop: Office) -> None:
    [call] = (await (turn := await job(shop)).step("look")).calls
    await begin(shop, call.call_id)
    await settle(shop, call.call_id, Outcome("failed", "It was away."))
    await settle(shop, call.call_id, Outcome("done", "It is here."))
    await settle(shop, call.call_id, Outcome("unknown", UNKNOWN))
    assert (await call_states(shop), await turn.told()) == (["failed"], ["It was away."])
    assert len(await shop.events("tool.called")) == 1


@pytest.mark.parametrize(("state", "stands"), [("done", "done"), ("failed", "unknown"), ("cancelled", "unknown")])
async def test_only_a_result_ends_uncertainty(shop: Office, state: Any, stands: str) -> None:
    [call] = (await (await job(shop)).step("mail")).calls
    await begin(shop, call.call_id)
    await settle(shop, call.call_id, Outcome("unknown", UNKNOWN))
    await settle(shop, call.call_id, Outcome(state, "At last."))
    assert await call_states(shop) == [stands]


async def test_what_does_no_harm_is_made_again_after_a_death(shop: Office) -> None:
    [call] = (await (await job(shop)).step("look")).calls
    assert await begin(shop, call.call_id) is not None
    assert await begin(shop, call.call_id) is not None
    assert (await call_row(shop, call.call_id)).attempts == 2


async def test_what_may_have_acted_is_not_made_again_after_a_death(shop: Office) -> None:
    turn = await job(shop)
    [call] = (await turn.step("mail")).calls
    assert await begin(shop, call.call_id) is not None
    assert await begin(shop, call.call_id) is None
    assert (await call_states(shop), await turn.told()) == (["unknown"], [UNKNOWN])
    # The one that was taken for dead lives, and says after all what came of it.
    await settle(shop, call.call_id, Outcome("done", "Sent."))
    assert (await call_states(shop), await turn.told()) == (["done"], ["Sent."])


async def test_what_certainly_did_not_get_there_is_made_as_if_for_the_first_time(shop: Office) -> None:
    [call] = (await (await job(shop)).step("mail")).calls
    await begin(shop, call.call_id)
    await put_back(shop, call.call_id)
    assert await call_states(shop) == ["ready"]
    assert await begin(shop, call.call_id) is not None


async def test_a_living_twin_does_not_put_back_what_is_settled(shop: Office) -> None:
    [call] = (await (await job(shop)).step("mail")).calls
    await begin(shop, call.call_id)
    await begin(shop, call.call_id)
    await put_back(shop, call.call_id)
    assert await call_states(shop) == ["unknown"]


async def test_a_twin_that_puts_back_takes_nothing_from_the_other(shop: Office) -> None:
    [call] = (await (await job(shop)).step("look")).calls
    await begin(shop, call.call_id)
    await begin(shop, call.call_id)
    await put_back(shop, call.call_id)
    await settle(shop, call.call_id, Outcome("done", "Shipped."))
    assert await call_states(shop) == ["done"]


@pytest.mark.parametrize("tool", ["pay", "nothing"])
async def test_what_waits_or_cannot_be_is_not_made(shop: Office, tool: str) -> None:
    await (await job(shop)).step(tool)
    [row] = await shop.rows(CallRow)
    assert await begin(shop, row.id) is None
    assert (await call_row(shop, row.id)).state == row.state


async def test_what_strangers_wrote_taints_the_conversation_for_good(shop: Office) -> None:
    turn = await job(shop)
    first, second = (await turn.step("look", ToolCall("2", "look", '{"order": "B"}'))).calls
    await settle(shop, first.call_id, Outcome("done", "Ours."))
    assert not await is_tainted(shop, turn.asked)
    await settle(shop, second.call_id, Outcome("done", "Theirs.", is_untrusted=True))
    assert await is_tainted(shop, turn.asked)
    async with shop.session() as session:
        before = (await conversations.lock(session, turn.asked.conversation_id)).untrusted_at
    [third] = (await turn.step("current_time")).calls
    await settle(shop, third.call_id, Outcome("done", "Theirs.", is_untrusted=True))
    async with shop.session() as session:
        assert (await conversations.lock(session, turn.asked.conversation_id)).untrusted_at == before
    again = await shop.begin(turn.asked, turn.turn_id)
    assert isinstance(again, conversations.Turn)
    assert again.is_untrusted


async def test_the_same_call_of_one_contact_has_one_fingerprint(shop: Office) -> None:
    async def fingerprints(contact: str, root: str, *wanted: ToolCall) -> list[str]:
        turn = await job(shop, contact=contact, root=root)
        await turn.step(*wanted)
        return [call.fingerprint for call in (await turn.past())[0].calls]

    look = [ToolCall("1", "look", '{"order": "A"}'), ToolCall("2", "look", '{"order":"A" }')]
    first, again = await fingerprints("U1", "1.0", *look)
    assert first == again
    assert len(first) == 32
    other, tool = await fingerprints(
        "U1", "2.0", ToolCall("1", "look", '{"order":"B"}'), ToolCall("2", "mail", '{"order":"A"}')
    )
    [stranger] = await fingerprints("U2", "3.0", look[0])
    assert len({first, other, tool, stranger}) == 4


async def test_of_whoever_was_erased_nothing_is_read_or_made(shop: Office) -> None:
    turn = await job(shop, text="Canary wish")
    kept = await turn.step("look", "mail", "pay", text="Canary thought")
    look, mail = (each.call_id for each in kept.calls)
    await begin(shop, look)
    async with shop.session() as session:
        [contact] = {row.contact_id for row in await shop.rows(CallRow)}
        await contacts.erase(session, shop.tenant_id, contact, actor="test")
    assert await turn.past() == []
    assert await call_states(shop) == ["running", "cancelled", "cancelled"]
    assert await begin(shop, mail) is None
    assert await begin(shop, look) is None
    assert await call_states(shop) == ["cancelled", "cancelled", "cancelled"]
    # It was under way, and its answer comes when nobody may keep it any more.
    await settle(shop, look, Outcome("done", "Canary"))
    assert (await call_row(shop, look)).sealed_result is None


async def test_an_answer_that_comes_after_the_erasure_is_noted_and_not_kept(shop: Office) -> None:
    turn = await job(shop)
    [call] = (await turn.step("look")).calls
    await begin(shop, call.call_id)
    async with shop.session() as session:
        row = await calls.get(session, call.call_id)
        await contacts.erase(session, shop.tenant_id, row.contact_id, actor="test")
    await settle(shop, call.call_id, Outcome("done", "x" * 20_000, sources=[{"number": 1}]))
    row = await call_row(shop, call.call_id)
    assert row.state == "done"
    assert row.sealed_result is row.sealed_whole is row.sealed_sources is None


async def test_what_operators_are_to_know_of_a_failure_is_kept_beside_it(shop: Office) -> None:
    turn = await job(shop)
    [call] = (await turn.step("look")).calls
    await settle(shop, call.call_id, Outcome("failed", "It could not be reached.", error="cannot be connected to"))
    row = await call_row(shop, call.call_id)
    assert row.detail["error"] == "cannot be connected to"
    assert row.detail["timeout"] == 15.0
    assert await turn.told() == ["It could not be reached."]


async def test_a_stopped_turns_calls_are_not_made(shop: Office) -> None:
    turn, other = await job(shop), await job(shop, root="2.0")
    kept = await turn.step("look", "mail", "pay")
    await other.step("look", "pay")
    look, mail = (each.call_id for each in kept.calls)
    await begin(shop, look)
    async with shop.session() as session:
        await withdrawing.cancel_turn(session, turn.turn_id, by="whoever wanted it")
    assert await call_states(shop) == ["running", "cancelled", "cancelled", "ready", "waiting"]
    assert await begin(shop, mail) is None
    assert (await turn.past())[0].calls[1].result == CANCELLED
    approval = await approval_row(shop, kept.approvals[0])
    assert (approval.state, approval.decided_by) == ("denied", "whoever wanted it")


async def test_there_is_no_such_call(shop: Office) -> None:
    async with shop.session() as session:
        with pytest.raises(NotFound, match="There is no such call of a tool"):
            await calls.get(session, new_id())
