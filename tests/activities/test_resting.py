"""What is over the plan: contacts hear so once a day, without shop talk, people have it, and no model is asked."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlmodel import col

from activities.thinking import Thinking
from konstruct.billing import entitlements, resting
from konstruct.billing.resting import Resting
from konstruct.db import Database
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Agent
from konstruct.identity import new_id
from konstruct.outgoing import Send
from konstruct.scope.sentences import SENTENCES
from konstruct.tables import Connection, Employee, Message, ThresholdAlert
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.activities.escalations import rule, rules
from tests.activities.turns import Turn
from tests.support.billed import bill
from tests.support.doubles import ScriptedModel
from tests.support.office import Office, hire, open_office

KEPT = SENTENCES["en"].kept
OLDER = utc_now() - timedelta(days=9)


async def _older_employee(office: Office) -> None:
    async with office.session() as session:
        (await hire(session, office.tenant_id, "bo", "Bo")).created_at = OLDER


async def _older_connection(office: Office, **fields: Any) -> None:
    async with office.session() as session:
        session.add(
            Connection(
                tenant_id=office.tenant_id,
                **{"key": "older", "kind": "slack", "account": f"{office.account}-older"} | fields,
                employee_id=office.employee_id,
                created_at=OLDER,
            )
        )


async def _resting(office: Office) -> Resting:
    async with office.session() as session:
        return await resting.now(session, await entitlements.of(session))


async def test_exactly_so_many_messages_of_a_month_are_answered_in_whatever_order(
    office: Office, database: Database, thinking: Thinking, model: ScriptedModel
) -> None:
    await bill(database, office.tenant_id, limits={"messages": 2})
    asked = [await office.say(root=f"{number}.0") for number in range(4)]

    answers = [await Turn(office, thinking, each).answer() for each in reversed(asked)]

    assert answers == [KEPT, KEPT, "Hello!", "Hello!"]
    assert len(model.prompts) == 2
    assert [json.loads(each.payload)["lacks"] for each in await office.events("turn.rested")] == ["messages"] * 2


async def test_the_contact_hears_it_once_a_day_in_a_conversation_and_people_have_what_was_said(
    office: Office, database: Database, thinking: Thinking, model: ScriptedModel
) -> None:
    await bill(database, office.tenant_id, limits={"messages": 0})
    first = await office.say("Hello?")
    [notice] = (await Turn(office, thinking, first).think()).reply_ids
    assert (await office.message(notice)).body == KEPT
    assert isinstance(await office.begin_send(first, notice), Send)
    again = await office.say("Anybody?")
    thought = await Turn(office, thinking, again).think()
    assert (thought.decision, thought.reply_ids) == ("nothing", [])
    other = await office.say("And here?", root="2.0")
    assert await Turn(office, thinking, other).answer() == KEPT

    async with office.session() as session:
        is_notice = col(Message.purpose) == "notice"
        await session.execute(update(Message).where(is_notice).values(created_at=utc_now() - timedelta(days=2)))
    assert await Turn(office, thinking, await office.say("Tomorrow?")).answer() == KEPT

    assert model.prompts == []
    said = await office.messages("inbound")
    assert {each.state for each in said} == {"passed"}
    assert [each.body for each in said] == ["Hello?", "Anybody?", "And here?", "Tomorrow?"]


async def test_that_most_messages_are_used_is_noted_once_each(
    office: Office, database: Database, thinking: Thinking
) -> None:
    await bill(database, office.tenant_id, limits={"messages": 5})
    noted = []
    for number in range(7):
        await Turn(office, thinking, await office.say(root=f"{number}.0")).think()
        async with office.session() as session:
            rows = await session.scalars(select(ThresholdAlert).order_by(col(ThresholdAlert.percent)))
            noted.append([(row.what, row.percent, int(row.used)) for row in rows])

    near, spent = ("plan:messages", 80, 4), ("plan:messages", 100, 5)
    assert noted == [[], [], [], [near], [near, spent], [near, spent], [near, spent]]


async def test_it_is_said_in_the_contacts_language(office: Office, database: Database, thinking: Thinking) -> None:
    await bill(database, office.tenant_id, limits={"messages": 0})

    asked = await office.say("Guten Tag, ich möchte gerne wissen, wann mein Fahrrad fertig ist.")

    assert await Turn(office, thinking, asked).answer() == SENTENCES["de"].kept


async def test_what_waited_is_answered_once_the_plan_is_larger(
    office: Office, database: Database, thinking: Thinking
) -> None:
    await bill(database, office.tenant_id, limits={"messages": 0})
    asked = await office.say()

    await bill(database, office.tenant_id, "starter")

    assert await Turn(office, thinking, asked).answer() == "Hello!"


async def test_an_attempt_that_died_after_it_was_kept_says_nothing_twice(
    office: Office, database: Database, thinking: Thinking
) -> None:
    await bill(database, office.tenant_id, limits={"messages": 0})
    turn = Turn(office, thinking, await office.say())
    await turn.think()

    assert (await turn.think(attempt=2)).decision == "nothing"
    assert len(await office.messages("outbound")) == 1


async def test_people_answer_what_is_over_the_plan(office: Office, database: Database, thinking: Thinking) -> None:
    await bill(database, office.tenant_id, limits={"messages": 0})
    asked = await office.say()
    await Turn(office, thinking, asked).think()

    async with office.session() as session:
        await owning.take_over(session, office.vault, asked.conversation_id, Agent("slack:U9", "Uma"))
    passed = await office.say("Thank you")

    assert (await office.message(passed.message_id)).state == "passed"
    assert passed.handoff_id is not None


async def test_who_asks_for_a_person_is_given_one(office: Office, database: Database, thinking: Thinking) -> None:
    await rules(office, rule({"asked_for_human": True}))
    await bill(database, office.tenant_id, limits={"messages": 0})

    thought = await Turn(office, thinking, await office.say("Please give me a human")).think()

    assert thought.decision == "handed_off"


async def test_the_oldest_employees_go_on_and_the_others_rest(
    office: Office, database: Database, thinking: Thinking
) -> None:
    await _older_employee(office)
    await bill(database, office.tenant_id, limits={"employees": 1})
    assert await _resting(office) == Resting(employees=frozenset({office.employee_id}))
    asked = await office.say()
    assert await Turn(office, thinking, asked).answer() == KEPT

    # A draft serves nobody, and is in nobody's way; nor is one that was archived.
    async with office.session() as session:
        await session.execute(update(Employee).where(col(Employee.key) == "bo").values(published_version=0))
    assert await _resting(office) == Resting()
    assert await Turn(office, thinking, await office.say()).answer() == "Hello!"
    async with office.session() as session:
        await session.execute(
            update(Employee).where(col(Employee.key) == "bo").values(published_version=1, archived_at=utc_now())
        )
    assert await Turn(office, thinking, await office.say()).answer() == "Hello!"


async def test_the_oldest_connections_go_on_and_the_others_rest(
    office: Office, database: Database, thinking: Thinking
) -> None:
    await _older_connection(office)
    await bill(database, office.tenant_id, limits={"connections": 1})
    assert await _resting(office) == Resting(connections=frozenset({office.connection_id}))
    assert await Turn(office, thinking, await office.say()).answer() == KEPT

    async with office.session() as session:
        await session.execute(update(Connection).where(col(Connection.key) == "older").values(status="revoked"))
    assert await _resting(office) == Resting()
    assert await Turn(office, thinking, await office.say()).answer() == "Hello!"


async def test_a_number_that_the_plan_does_not_include_is_in_no_workspaces_way(
    office: Office, database: Database, thinking: Thinking
) -> None:
    await _older_connection(office, kind="whatsapp")
    await bill(database, office.tenant_id, limits={"connections": 1})
    [number] = {each.id for each in await office.rows(Connection)} - {office.connection_id}
    assert await _resting(office) == Resting(connections=frozenset({number}))
    assert await Turn(office, thinking, await office.say()).answer() == "Hello!"

    await bill(database, office.tenant_id, limits={"connections": 1}, features=["whatsapp"])
    assert await _resting(office) == Resting(connections=frozenset({office.connection_id}))
    assert await Turn(office, thinking, await office.say()).answer() == KEPT


@pytest.mark.parametrize(
    ("fields", "answers"),
    [
        ({"status": "active"}, True),
        ({"status": "trialing"}, True),
        ({"status": "past_due", "past_due_since": utc_now()}, True),
        ({"status": "past_due", "past_due_since": utc_now() - timedelta(days=8)}, False),
        ({"status": "unpaid"}, False),
        ({"status": "paused"}, False),
        ({"status": "canceled"}, False),
        ({"status": "active", "ends_at": utc_now() + timedelta(days=1)}, True),
        ({"status": "active", "ends_at": utc_now() - timedelta(seconds=1)}, False),
    ],
)
async def test_what_goes_on_follows_the_subscriptions_state(
    office: Office, database: Database, thinking: Thinking, fields: dict[str, Any], answers: bool
) -> None:
    await _older_employee(office)
    await bill(database, office.tenant_id, "pro", **fields)

    assert await Turn(office, thinking, await office.say()).answer() == ("Hello!" if answers else KEPT)


async def test_what_was_begun_is_brought_to_its_end(office: Office, database: Database, thinking: Thinking) -> None:
    await bill(database, office.tenant_id, limits={"messages": 1})
    turn = Turn(office, thinking, await office.say())
    turn.steps = 1
    await bill(database, office.tenant_id, limits={"messages": 0})

    assert await turn.answer() == "Hello!"


async def test_a_turn_of_a_business_that_is_not_billed_asks_nothing_more(
    office: Office, database: Database, vault: Vault, thinking: Thinking
) -> None:
    billed = await open_office(database, vault, models=("anthropic/claude-sonnet-4-6",))
    await bill(database, billed.tenant_id)
    asked = {each: (await each.say(), new_id()) for each in (office, billed)}
    counts = {each: await _statements(database, Turn(each, thinking, asked[each][0])) for each in asked}

    assert counts[billed] == counts[office] + 1


async def _statements(database: Database, turn: Turn) -> int:
    seen: list[str] = []
    engine = database._engine.sync_engine  # How many there are is what is tested.
    listen = ("before_cursor_execute", lambda _c, _cu, statement, *_: seen.append(statement))
    event.listen(engine, *listen)
    try:
        assert await turn.answer() == "Hello!"
    finally:
        event.remove(engine, *listen)
    return len(seen)
