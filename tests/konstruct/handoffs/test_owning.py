"""Changes of owner: who may, who was earlier, what becomes of the employee's work, and what the trail says of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from konstruct.conversations import HandedOff, Turn
from konstruct.desk import people
from konstruct.errors import Conflict, KonstructError, NotAllowed, NotFound
from konstruct.handoffs import cards, entries, finding, owning
from konstruct.handoffs.owning import Agent, Ownership, Wish
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.ports import ToolCall
from konstruct.tables import AuditEvent, Handoff, Message
from tests.support.handoffs import (
    DESK_CHANNEL,
    GRACE,
    LINUS,
    REASON,
    a_wish,
    an_origin,
    change_row,
    claim,
    conversation,
    hand_back,
    hand_off,
    handoff_row,
    owned,
    seat,
    write,
)
from tests.support.office import Office
from tests.support.workshop import approval_row, call_states, define, job, over_http, publish

Act = Callable[[Office, UUID], Awaitable[Ownership]]


@pytest.fixture
async def asked(office: Office) -> Accepted:
    await seat(office)
    return await office.say("I want a person")


def acting(name: str, by: Agent = GRACE, *more: Any, **named: Any) -> Act:
    """What an agent does, in a transaction of its own."""

    async def act(office: Office, handoff_id: UUID) -> Ownership:
        async with office.session() as session:
            needs_vault = name in ("claim", "resolve", "hand_back")
            given = [session, office.vault] if needs_vault else [session]
            done: Ownership = await getattr(owning, name)(*given, handoff_id, by, *more, **named)
            return done

    return act


async def resume(office: Office, asked: Accepted, **how: Any) -> Ownership:
    async with office.session() as session:
        return await owning.resume(session, office.vault, asked.conversation_id, "outside", **how)


async def take_over(office: Office, asked: Accepted, by: Agent = GRACE) -> Ownership:
    async with office.session() as session:
        return await owning.take_over(session, office.vault, asked.conversation_id, by)


async def tell(office: Office, asked: Accepted, rule: str | None = "costly") -> UUID | None:
    async with office.session() as session:
        return await owning.tell(session, office.vault, asked.conversation_id, a_wish(rule=rule))


async def give_up(office: Office, handoff_id: UUID) -> Ownership:
    async with office.session() as session:
        return await owning.give_up(session, office.vault, handoff_id)


async def trail(office: Office) -> list[AuditEvent]:
    """Of changes of owner, by epoch."""
    events = [event for event in await office.rows(AuditEvent) if "owner" in event.detail]
    return sorted(events, key=lambda event: event.created_at)


async def notes(office: Office) -> list[Message]:
    """What the employee is told of people."""
    return [message for message in await office.messages("inbound") if message.author == "system"]


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


class TestPassingItOn:
    async def test_a_colleague_gets_it(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        before = (await handoff_row(office, handoff_id)).claimed_at
        passed = await acting("transfer", GRACE, LINUS)(office, handoff_id)
        assert (passed.owner, passed.agent, passed.epoch) == ("agent", LINUS.key, 3)
        handoff = await handoff_row(office, handoff_id)
        assert (handoff.agent, handoff.state) == (LINUS.key, "owned")
        assert handoff.claimed_at is not None
        assert before is not None
        assert handoff.claimed_at > before
        event = (await trail(office))[-1]
        assert (event.action, event.actor, event.detail["to"]) == ("handoff.transferred", GRACE.key, LINUS.key)
        # The same again, whose answer was lost.
        assert await acting("transfer", GRACE, LINUS)(office, handoff_id) == passed

    async def test_it_goes_back_to_the_queue(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        released = await acting("release")(office, handoff_id)
        assert (released.owner, released.agent, released.epoch) == ("queue", None, 3)
        assert (await handoff_row(office, handoff_id)).state == "waiting"
        event = (await trail(office))[-1]
        assert (event.action, event.actor) == ("handoff.released", GRACE.key)
        assert await acting("release")(office, handoff_id) == released
        assert (await claim(office, handoff_id, LINUS)).agent == LINUS.key

    async def test_what_was_released_is_due_at_once_and_found_by_the_sweep(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await owned(office, asked)
        await change_row(office, handoff_id, next_due_at=None)
        await acting("release")(office, handoff_id)
        assert (await handoff_row(office, handoff_id)).next_due_at is not None

    async def test_what_is_asked_for_anew_is_not_taken_for_what_was_done_before(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await owned(office, asked)
        await change_row(office, handoff_id, progress={"count": 3, "tasks": [], "showing_at": "2026-01-01T00:00:00Z"})
        await acting("release")(office, handoff_id)
        progress = (await handoff_row(office, handoff_id)).progress
        assert progress["count"] == 3
        assert progress["showing_at"]
        assert set(progress["waiting"]) == {"since"}


class TestGivingItBack:
    @pytest.mark.parametrize(
        ("act", "how", "action"),
        [("resolve", "resolved", "handoff.resolved"), ("hand_back", "handed_back", "handoff.handed_back")],
    )
    async def test_the_employee_has_it_again_and_knows_what_people_left(
        self, office: Office, asked: Accepted, act: str, how: str, action: str
    ) -> None:
        handoff_id = await owned(office, asked)
        back = await acting(act, GRACE, "Canary note")(office, handoff_id)
        assert (back.owner, back.agent, back.epoch, back.handoff_id, back.answer_id) == (
            "employee",
            None,
            3,
            None,
            None,
        )
        handoff, row = await handoff_row(office, handoff_id), await conversation(office, asked)
        assert (handoff.state, handoff.ended_how) == ("over", how)
        assert handoff.ended_at is not None
        assert row.counted_since is not None
        event = (await trail(office))[-1]
        assert (event.action, event.actor, event.detail["how"], event.detail["at_once"]) == (
            action,
            GRACE.key,
            how,
            False,
        )
        assert "Canary" not in str(event.detail)
        _, note = await notes(office)
        assert (note.state, "Canary note" in (note.body or "")) == ("passed", True)
        assert await acting(act, GRACE, "Canary note")(office, handoff_id) == back
        assert len(await notes(office)) == 2

    async def test_the_employee_answers_at_once_where_it_is_to(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        back = await hand_back(office, handoff_id, note="Tell them it is done", at_once=True)
        assert back.answer_id is not None
        assert (await office.message(back.answer_id)).state == "received"
        turn = await office.begin(asked, new_id())
        assert isinstance(turn, Turn)
        assert "Tell them it is done" in turn.said[-1].text

    async def test_the_next_turn_sees_what_people_wrote_and_where_they_ended(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await owned(office, asked)
        await office.say("It is the A-17")
        await write(office, handoff_id, "I send a new one.")
        await hand_back(office, handoff_id)
        again = await office.say("Thanks, and when?")
        turn = await office.begin(again, new_id())
        assert isinstance(turn, Turn)
        assert [said.author for said in turn.said] == ["contact", "system", "contact", "agent", "system", "contact"]
        assert turn.said[3].signed == GRACE.name

    @pytest.mark.parametrize("act", ["resolve", "hand_back"])
    async def test_what_nobody_took_can_be_given_back_by_anybody_and_it_is_known_who_did(
        self, office: Office, asked: Accepted, act: str
    ) -> None:
        handoff_id = await hand_off(office, asked)
        back = await acting(act, LINUS)(office, handoff_id)
        assert (back.owner, back.epoch) == ("employee", 2)
        assert (await handoff_row(office, handoff_id)).agent == LINUS.key
        assert await acting(act, LINUS)(office, handoff_id) == back
        with pytest.raises(Conflict, match="over"):
            await acting(act, GRACE)(office, handoff_id)

    async def test_whoever_released_it_did_not_resolve_it(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await acting("release")(office, handoff_id)
        await acting("resolve", LINUS)(office, handoff_id)
        with pytest.raises(Conflict, match=rf"{LINUS.name} has dealt with it"):
            await claim(office, handoff_id)

    async def test_another_system_may_resume_it_whoever_has_it(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        back = await resume(office, asked, note="Canary", at_once=True)
        assert (back.owner, back.epoch) == ("employee", 3)
        assert back.answer_id is not None
        assert (await trail(office))[-1].actor == "outside"
        assert (await handoff_row(office, handoff_id)).state == "over"
        again = await resume(office, asked, note="Canary", at_once=True)
        assert (again.epoch, again.answer_id) == (3, None)

    async def test_nothing_is_resumed_that_is_the_employees(self, office: Office, asked: Accepted) -> None:
        assert (await resume(office, asked)).epoch == 0
        assert await trail(office) == []

    async def test_where_nobody_came_the_employee_goes_on_at_once(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        back = await give_up(office, handoff_id)
        assert back.owner == "employee"
        assert back.answer_id is not None
        assert (await handoff_row(office, handoff_id)).ended_how == "nobody_came"
        event = (await trail(office))[-1]
        assert (event.action, event.actor, event.detail["how"]) == ("handoff.handed_back", "runtime", "nobody_came")
        assert "nobody could come in time" in ((await notes(office))[-1].body or "")
        with pytest.raises(Conflict, match="Nobody came in time"):
            await claim(office, handoff_id)

    async def test_where_somebody_came_after_all_nothing_is_given_up(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        assert await give_up(office, handoff_id) == Ownership(
            asked.conversation_id, "agent", 2, handoff_id, GRACE.key, None
        )

    async def test_somebody_who_comes_as_it_is_given_up_gets_it_or_learns_it_is_over(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await hand_off(office, asked)
        claimed, given_up = await asyncio.gather(
            claim(office, handoff_id), give_up(office, handoff_id), return_exceptions=True
        )
        assert isinstance(given_up, Ownership)
        row = await conversation(office, asked)
        assert row.epoch == 2
        assert (row.owner == "agent") == isinstance(claimed, Ownership)

    async def test_a_card_that_is_over_shows_so_even_if_nobody_tells_its_workflow(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await owned(office, asked)
        await change_row(office, handoff_id, next_due_at=None)
        await hand_back(office, handoff_id)
        assert (await handoff_row(office, handoff_id)).next_due_at is not None


NOT_MINE = ("transfer", "release", "resolve", "hand_back")


class TestWhoMay:
    @pytest.mark.parametrize("act", NOT_MINE)
    async def test_only_who_has_it_may(self, office: Office, asked: Accepted, act: str) -> None:
        handoff_id = await owned(office, asked)
        to = (Agent("third", "Third"),) if act == "transfer" else ()
        with pytest.raises(Conflict, match=rf"{GRACE.name} has it: only they can do that"):
            await acting(act, LINUS, *to)(office, handoff_id)
        row = await conversation(office, asked)
        assert (row.owner, row.agent, row.epoch) == ("agent", GRACE.key, 2)

    @pytest.mark.parametrize("act", ["transfer", "release"])
    async def test_what_nobody_has_cannot_be_passed_on(self, office: Office, asked: Accepted, act: str) -> None:
        handoff_id = await hand_off(office, asked)
        to = (LINUS,) if act == "transfer" else ()
        with pytest.raises(Conflict, match="take it over first"):
            await acting(act, GRACE, *to)(office, handoff_id)

    @pytest.mark.parametrize("act", ["claim", *NOT_MINE])
    async def test_what_is_over_stays_over(self, office: Office, asked: Accepted, act: str) -> None:
        handoff_id = await owned(office, asked, LINUS)
        await resume(office, asked)
        to = (Agent("third", "Third"),) if act == "transfer" else ()
        before = await trail(office)
        with pytest.raises(Conflict, match="This is over"):
            await acting(act, GRACE, *to)(office, handoff_id)
        assert len(await trail(office)) == len(before)
        assert (await conversation(office, asked)).epoch == 3

    async def test_what_does_not_exist_cannot_be_had(self, office: Office) -> None:
        for act in ("claim", *NOT_MINE):
            to = (LINUS,) if act == "transfer" else ()
            with pytest.raises(NotFound):
                await acting(act, GRACE, *to)(office, new_id())

    async def test_the_desk_knows_who_is_an_agent(self, office: Office, asked: Accepted) -> None:
        async with office.session() as session:
            assert await owning.agent(session, "grace") == GRACE
            assert await owning.slack_agent(session, "ULINUS") == LINUS
            for unknown in ("eve", "", "Grace Hopper"):
                with pytest.raises(NotAllowed):
                    await owning.agent(session, unknown)
            with pytest.raises(NotAllowed, match="not among the people of the desk"):
                await owning.slack_agent(session, "UEVE")

    async def test_where_a_desk_names_nobody_an_agent_goes_by_any_key_over_the_api_alone(self, office: Office) -> None:
        async with office.session() as session:
            assert await owning.agent(session, "crm-7") == Agent("crm-7", "crm-7")
            with pytest.raises(NotAllowed):
                await owning.slack_agent(session, "UGRACE")

    async def test_who_left_the_desk_goes_by_the_key_that_is_left(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await seat(office, people={"linus": {"name": LINUS.name}})
        with pytest.raises(Conflict, match="grace has it already"):
            await claim(office, handoff_id, LINUS)
        async with office.session() as session:
            assert await owning.name(session, None) == "Somebody"


async def test_epochs_rise_with_each_change_and_the_trail_has_each_once(office: Office, asked: Accepted) -> None:
    handoff_id = await owned(office, asked)
    await acting("transfer", GRACE, LINUS)(office, handoff_id)
    await acting("release", LINUS)(office, handoff_id)
    await claim(office, handoff_id)
    await hand_back(office, handoff_id)
    await take_over(office, asked, LINUS)
    events = await trail(office)
    assert [event.detail["epoch"] for event in events] == list(range(1, 8))
    assert [event.action.removeprefix("handoff.") for event in events] == [
        *("opened", "claimed", "transferred", "released", "claimed", "handed_back", "claimed"),
    ]
    assert [event.detail["owner"] for event in events] == [
        *("queue", "agent", "agent", "queue", "agent", "employee", "agent"),
    ]


async def test_many_who_do_all_sorts_of_things_at_once_leave_one_story(office: Office, asked: Accepted) -> None:
    handoff_id = await hand_off(office, asked)
    acts = [
        acting(name, by, *more)
        for by, other in ((GRACE, LINUS), (LINUS, GRACE))
        for name, more in (("claim", ()), ("release", ()), ("transfer", (other,)), ("claim", ()), ("hand_back", ()))
    ]
    outcomes = await asyncio.gather(*(act(office, handoff_id) for act in acts), return_exceptions=True)
    assert all(isinstance(outcome, Ownership | KonstructError) for outcome in outcomes)
    assert all(outcome.status == 409 for outcome in outcomes if isinstance(outcome, KonstructError))
    events = await trail(office)
    assert [event.detail["epoch"] for event in events] == list(range(1, len(events) + 1))
    row, handoff = await conversation(office, asked), await handoff_row(office, handoff_id)
    assert row.epoch == len(events)
    assert row.owner == {"waiting": "queue", "owned": "agent", "over": "employee"}[handoff.state]
    assert row.agent == (handoff.agent if handoff.state == "owned" else None)


async def test_a_card_is_known_by_where_it_stands(office: Office, asked: Accepted) -> None:
    handoff_id = await hand_off(office, asked)
    await change_row(
        office,
        handoff_id,
        card_connection_id=office.connection_id,
        card_channel=DESK_CHANNEL,
        card_external_id="9.1",
    )
    async with office.session() as session:
        found = await finding.with_card(session, office.connection_id, DESK_CHANNEL, "9.1")
        assert found is not None
        assert found.id == handoff_id
        for place in (
            (new_id(), DESK_CHANNEL, "9.1"),
            (office.connection_id, "C1", "9.1"),
            (office.connection_id, DESK_CHANNEL, "9.2"),
        ):
            assert await finding.with_card(session, *place) is None
        assert await finding.channel_kind(session, handoff_id) == "slack"


async def test_a_note_that_was_left_is_for_the_employee_alone(office: Office, asked: Accepted) -> None:
    handoff_id = await owned(office, asked)
    async with office.session() as session:
        [note_id] = (await entries.note(session, office.vault, handoff_id, GRACE, "Canary", an_origin())).entry_ids
        left = await entries.text(session, office.vault, note_id)
    await hand_back(office, handoff_id, note=left)
    sent = [message for message in await office.messages("outbound") if "Canary" in (message.body or "")]
    assert sent == []


async def test_a_desk_is_read_of_its_own_tenant(office: Office, asked: Accepted) -> None:
    async with office.session() as session:
        desk = await people.settings(session)
        assert [person.key for person in desk.people] == ["grace", "linus"]
        assert (await session.scalars(select(Handoff))).all() == []
