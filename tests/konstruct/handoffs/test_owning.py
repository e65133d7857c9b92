"""How people get a conversation: who was earlier, and what becomes of the employee's work."""

import asyncio

import pytest

from konstruct.conversations import HandedOff, Turn
from konstruct.errors import Conflict, NotFound
from konstruct.handoffs import cards, owning
from konstruct.handoffs.owning import Agent, Ownership, Wish
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.ports import ToolCall
from konstruct.tables import Handoff
from tests.konstruct.handoffs.acts import acting, notes, take_over, tell, trail
from tests.support.handoffs import (
    GRACE,
    LINUS,
    REASON,
    a_wish,
    claim,
    conversation,
    hand_back,
    hand_off,
    handoff_row,
    seat,
)
from tests.support.office import Office
from tests.support.workshop import approval_row, call_states, define, job, over_http, publish


class TestHandingOff:
    async def test_the_queue_gets_it_and_the_trail_says_why(self, office: Office, asked: Accepted) -> None:
        wish = Wish("rule", "rule:wants-a-person", REASON, rule="wants-a-person", target="support", priority="high")
        handoff_id = await hand_off(office, asked, wish)

        row, handoff = await conversation(office, asked), await handoff_row(office, handoff_id)
        assert (row.owner, row.agent, row.handoff_id, row.epoch) == ("queue", None, handoff_id, 1)
        assert (handoff.state, handoff.cause, handoff.rule) == ("waiting", "rule", "wants-a-person")
        assert (handoff.target, handoff.priority, handoff.agent) == ("support", "high", None)
        [event] = await trail(office)
        assert (event.action, event.actor, event.conversation_id) == (
            "handoff.opened",
            "rule:wants-a-person",
            asked.conversation_id,
        )
        assert event.subject_id == handoff.contact_id
        assert event.detail == {
            "handoff_id": str(handoff_id),
            "epoch": 1,
            "owner": "queue",
            "agent": None,
            "cause": "rule",
            "rule": "wants-a-person",
        }

    async def test_the_reason_is_sealed_under_the_contacts_key(self, office: Office, asked: Accepted) -> None:
        handoff = await handoff_row(office, await hand_off(office, asked, a_wish("Canary reason")))
        assert b"Canary" not in handoff.sealed_reason
        async with office.session() as session:
            cipher = await office.vault.cipher(session, office.tenant_id, handoff.contact_id)
        assert cards.reason(handoff, cipher) == "Canary reason"

    async def test_in_a_thread_of_several_it_is_about_whoever_wrote_last(self, office: Office, asked: Accepted) -> None:
        await office.say("Me too", contact="U2")
        first = await conversation(office, asked)
        handoff = await handoff_row(office, await hand_off(office, asked))
        assert handoff.contact_id != first.contact_id

    async def test_where_people_are_asked_or_have_it_nothing_changes(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        assert await hand_off(office, asked, a_wish("Once more")) == handoff_id
        await claim(office, handoff_id)
        assert await hand_off(office, asked, a_wish("And again")) == handoff_id
        assert [event.action for event in await trail(office)] == ["handoff.opened", "handoff.claimed"]
        assert (await conversation(office, asked)).epoch == 2

    async def test_of_many_at_once_one_opens(self, office: Office, asked: Accepted) -> None:
        opened = await asyncio.gather(*(hand_off(office, asked, a_wish(f"Wish {number}")) for number in range(5)))
        assert len(set(opened)) == 1
        assert len(await office.rows(Handoff)) == 1
        assert (await conversation(office, asked)).epoch == 1

    async def test_what_does_not_exist_is_not_handed_off(self, office: Office) -> None:
        async with office.session() as session:
            with pytest.raises(NotFound):
                await owning.hand_off(session, office.vault, new_id(), a_wish())


class TestWhatBecomesOfTheEmployeesWork:
    async def test_what_was_to_be_answered_is_peoples_to_answer(self, office: Office, asked: Accepted) -> None:
        turn_id = new_id()
        assert isinstance(await office.begin(asked, turn_id), Turn)
        later = await office.say("And another thing")
        await hand_off(office, asked)

        for message_id in (asked.message_id, later.message_id):
            message = await office.message(message_id)
            assert (message.state, message.turn_id) == ("passed", None)
            assert message.settled_at is not None
        assert (await office.finish(asked, turn_id, "Too late")).outcome == "superseded"
        assert isinstance(await office.begin(asked, new_id()), HandedOff)

    async def test_an_answer_that_nobody_began_to_send_is_discarded(self, office: Office, asked: Accepted) -> None:
        [reply] = await office.answer(asked, "Never said")
        handoff_id = await hand_off(office, asked)
        assert (await office.message(reply)).state == "discarded"
        assert await office.begin_send(asked, reply) == "superseded"
        assert (await handoff_row(office, handoff_id)).state == "waiting"

    async def test_what_is_being_sent_or_was_said_stays_as_it_is(self, office: Office, asked: Accepted) -> None:
        said = await office.exchange("Hello?", "Hi!", root="2.0")
        [sending] = await office.answer(asked, "On its way")
        await office.begin_send(asked, sending)
        await hand_off(office, asked)
        await hand_off(office, said)
        assert (await office.message(sending)).state == "sending"
        assert (await office.message(said.message_id)).state == "answered"

    async def test_a_call_that_was_not_begun_is_cancelled_and_that_is_on_record(
        self, office: Office, asked: Accepted
    ) -> None:
        await publish(office, "current_time")
        turn = await job(office, root="3.0")
        [made] = (await turn.step("current_time")).calls
        await hand_off(office, turn.asked)
        assert await call_states(office) == ["cancelled"]
        [event] = await office.events("tool.cancelled")
        assert event.detail["call_id"] == str(made.call_id)

    async def test_what_people_are_asked_to_allow_they_may_still_allow(self, office: Office, asked: Accepted) -> None:
        await define(office, "pay", over_http("https://127.0.0.1/", "POST", "changes"))
        await publish(office, "pay")
        turn = await job(office, root="3.0")
        [approval_id] = (await turn.step(ToolCall("1", "pay", "{}"))).approvals
        await hand_off(office, turn.asked)
        assert await call_states(office) == ["waiting"]
        assert (await approval_row(office, approval_id)).state == "waiting"

    async def test_the_employee_is_told_where_people_begin_without_being_asked_anything(
        self, office: Office, asked: Accepted
    ) -> None:
        await hand_off(office, asked)
        [note] = await notes(office)
        assert note.state == "passed"
        assert REASON in (note.body or "")

    async def test_what_is_written_from_then_on_is_for_people(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        accepted = await office.say("Is anybody there?")
        assert accepted.handoff_id == handoff_id
        assert (await office.message(accepted.message_id)).state == "passed"


class TestClaiming:
    async def test_one_agent_gets_what_waits(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        assert await claim(office, handoff_id) == Ownership(
            asked.conversation_id, "agent", 2, handoff_id, GRACE.key, None
        )
        handoff = await handoff_row(office, handoff_id)
        assert (handoff.state, handoff.agent) == ("owned", GRACE.key)
        assert handoff.claimed_at is not None
        event = (await trail(office))[-1]
        assert (event.action, event.actor, event.detail["epoch"], event.detail["agent"]) == (
            "handoff.claimed",
            GRACE.key,
            2,
            GRACE.key,
        )

    async def test_of_many_at_once_one_wins_and_the_others_are_told_who(self, office: Office, asked: Accepted) -> None:
        agents = [Agent(f"agent{number}", f"Agent Number{number}") for number in range(5)]
        await seat(office, people={agent.key: {"name": agent.name} for agent in agents})
        handoff_id = await hand_off(office, asked)
        outcomes = await asyncio.gather(*(claim(office, handoff_id, agent) for agent in agents), return_exceptions=True)

        [won] = [outcome for outcome in outcomes if isinstance(outcome, Ownership)]
        winner = next(agent for agent in agents if agent.key == won.agent)
        lost = [outcome for outcome in outcomes if not isinstance(outcome, Ownership)]
        assert [type(error) for error in lost] == [Conflict] * 4
        assert {str(error) for error in lost} == {f"{winner.name} has it already."}
        row, handoff = await conversation(office, asked), await handoff_row(office, handoff_id)
        assert (row.agent, handoff.agent, row.epoch) == (winner.key, winner.key, 2)
        assert [event.action for event in await trail(office)] == ["handoff.opened", "handoff.claimed"]

    async def test_claiming_what_one_has_changes_nothing(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        first = await claim(office, handoff_id)
        assert await claim(office, handoff_id) == first
        assert len(await trail(office)) == 2

    async def test_what_nobody_offered_can_be_taken_over(self, office: Office, asked: Accepted) -> None:
        [reply] = await office.answer(asked, "Never said")
        owned_now = await take_over(office, asked)
        assert (owned_now.owner, owned_now.epoch, owned_now.agent) == ("agent", 1, GRACE.key)
        assert (await office.message(reply)).state == "discarded"
        [handoff] = await office.rows(Handoff)
        assert (handoff.cause, handoff.requested_by, handoff.state) == ("agent", GRACE.key, "owned")
        [event] = await trail(office)
        assert (event.action, event.actor) == ("handoff.claimed", GRACE.key)
        assert await take_over(office, asked) == owned_now

    async def test_taking_over_what_is_offered_claims_it(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        assert (await take_over(office, asked)).handoff_id == handoff_id
        with pytest.raises(Conflict, match=rf"{GRACE.name} has it already"):
            await take_over(office, asked, LINUS)

    async def test_two_who_take_over_at_once_do_not_both_get_it(self, office: Office, asked: Accepted) -> None:
        outcomes = await asyncio.gather(
            *(take_over(office, asked, agent) for agent in (GRACE, LINUS)), return_exceptions=True
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Ownership"]
        assert len(await office.rows(Handoff)) == 1


class TestBeingTold:
    async def test_the_employee_carries_on_and_nothing_of_its_is_lost(self, office: Office, asked: Accepted) -> None:
        [reply] = await office.answer(asked, "Said all the same")
        handoff_id = await tell(office, asked)
        assert handoff_id is not None
        row = await conversation(office, asked)
        assert (row.owner, row.epoch, row.handoff_id) == ("employee", 0, None)
        assert (await handoff_row(office, handoff_id)).state == "told"
        assert not isinstance(await office.begin_send(asked, reply), str)
        [event] = await trail(office)
        assert (event.action, event.detail["rule"], event.detail["epoch"]) == ("handoff.told", "costly", 0)

    async def test_it_is_told_once_a_rule_until_it_is_dealt_with(self, office: Office, asked: Accepted) -> None:
        first = await tell(office, asked)
        assert await tell(office, asked) is None
        assert await tell(office, asked, "angry") not in (first, None)
        assert first is not None
        await claim(office, first)
        assert await tell(office, asked) is None
        await hand_back(office, first)
        assert await tell(office, asked) is not None

    async def test_it_can_be_claimed(self, office: Office, asked: Accepted) -> None:
        handoff_id = await tell(office, asked)
        assert handoff_id is not None
        await office.exchange("Still me", "Still Ada")
        owned_now = await claim(office, handoff_id)
        assert (owned_now.owner, owned_now.epoch, owned_now.handoff_id) == ("agent", 1, handoff_id)
        [note] = await notes(office)
        assert GRACE.name in (note.body or "")

    async def test_once_it_was_handed_off_its_own_card_counts(self, office: Office, asked: Accepted) -> None:
        told_id = await tell(office, asked)
        handoff_id = await hand_off(office, asked)
        assert told_id is not None
        with pytest.raises(Conflict, match="see its other card"):
            await claim(office, told_id)
        for act in (acting("release"), acting("resolve"), acting("hand_back"), acting("transfer", GRACE, LINUS)):
            with pytest.raises(Conflict):
                await act(office, told_id)
        assert (await conversation(office, asked)).handoff_id == handoff_id
