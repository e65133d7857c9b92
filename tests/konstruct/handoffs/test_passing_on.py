"""How a conversation goes on from an agent: to colleagues, to the queue, and back; who may, and one story of it all."""

import asyncio

import pytest
from sqlmodel import select

from konstruct import contacts
from konstruct.conversations import Turn
from konstruct.desk import people
from konstruct.errors import Conflict, KonstructError, NotAllowed, NotFound
from konstruct.handoffs import entries, finding, owning
from konstruct.handoffs.owning import Agent, Ownership
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.tables import Handoff
from tests.konstruct.handoffs.acts import acting, give_up, notes, resume, take_over, tell, trail
from tests.support.handoffs import (
    DESK_CHANNEL,
    GRACE,
    LINUS,
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


class TestErasure:
    @pytest.mark.parametrize("is_owned", [True, False])
    async def test_nobody_is_asked_to_help_who_was_erased(
        self, office: Office, asked: Accepted, is_owned: bool
    ) -> None:
        handoff_id = await (owned if is_owned else hand_off)(office, asked)
        contact_id = (await handoff_row(office, handoff_id)).contact_id
        epoch = (await conversation(office, asked)).epoch
        async with office.session() as session:
            await contacts.erase(session, office.tenant_id, contact_id, actor="test")
        handoff, row = await handoff_row(office, handoff_id), await conversation(office, asked)
        assert (handoff.state, handoff.ended_how) == ("over", "erased")
        assert handoff.next_due_at is not None
        assert (row.owner, row.agent, row.handoff_id, row.epoch) == ("employee", None, None, epoch + 1)
        event = (await trail(office))[-1]
        assert (event.actor, event.detail["how"], event.detail["epoch"]) == ("erasure", "erased", epoch + 1)
        with pytest.raises(Conflict, match="was erased"):
            await claim(office, handoff_id, LINUS)

    async def test_who_is_only_told_keeps_no_card_of_them(self, office: Office, asked: Accepted) -> None:
        told_id = await tell(office, asked)
        assert told_id is not None
        contact_id = (await handoff_row(office, told_id)).contact_id
        async with office.session() as session:
            await contacts.erase(session, office.tenant_id, contact_id, actor="test")
        assert (await handoff_row(office, told_id)).state == "over"
        assert (await conversation(office, asked)).epoch == 0


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
        with pytest.raises(Conflict, match="grace has it: only they can do that"):
            await acting("release", LINUS)(office, handoff_id)
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
