"""Dry runs: what would have become of past turns, by what was kept of them."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func
from sqlmodel import select

from konstruct import conversations, manifest
from konstruct.conversations import Turn
from konstruct.errors import BadInput, NotFound
from konstruct.escalation import judgements, trying
from konstruct.escalation.judging import Judgement
from konstruct.escalation.rules import Rule
from konstruct.escalation.trying import Tried
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Wish
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.tables import AuditEvent, Message, Usage
from konstruct.tools import calls
from konstruct.tools.calls import Outcome
from tests.support.office import Office
from tests.support.workshop import Job, publish

HAND_OFF = {"hand_off": {"to": "support"}}


def rule(name: str, when: dict[str, object], then: dict[str, object] | None = None) -> Rule:
    return Rule.model_validate({"name": name, "when": when, "then": then or HAND_OFF})


async def answered(office: Office, text: str, judgement: Judgement | None = None, *more: str) -> Accepted:
    """A turn of one or several messages that is over."""
    asked = await office.say(text)
    for each in more:
        await office.say(each)
    turn_id = new_id()
    assert isinstance(await office.begin(asked, turn_id), Turn)
    for reply_id in (await office.finish(asked, turn_id, "Hello!")).reply_ids:
        await office.begin_send(asked, reply_id)
        await office.settle_sent(asked, reply_id)
    if judgement is not None:
        await keep(office, asked, turn_id, judgement)
    return asked


async def keep(office: Office, asked: Accepted, turn_id: UUID, judgement: Judgement) -> None:
    async with office.session() as session:
        await judgements.keep(session, office.tenant_id, asked.conversation_id, turn_id, judgement)


async def handed_off(office: Office, text: str, judgement: Judgement) -> UUID:
    """By a rule, which keeps what was judged and takes the turn away. Gives the turn."""
    asked, turn_id = await office.say(text), new_id()
    assert isinstance(await office.begin(asked, turn_id), Turn)
    await keep(office, asked, turn_id, judgement)
    async with office.session() as session:
        wish = Wish("rule", "employee", "Why.", "rule")
        await owning.hand_off(session, office.vault, asked.conversation_id, wish)
    return turn_id


async def try_out(office: Office, asked: Accepted, *wanted: Rule, at_most: int = 100) -> list[Tried]:
    async with office.session() as session:
        return await trying.try_out(session, office.vault, asked.conversation_id, wanted, at_most=at_most)


def fired(tried: Sequence[Tried]) -> list[str | None]:
    return [turn.fired for turn in tried]


async def test_each_turn_is_tried_by_what_was_written_and_judged(office: Office) -> None:
    await answered(office, "Hello")
    await answered(office, "A refund, please", Judgement(mood="angry", topics=frozenset({"law"})), "At once!")
    asked = await answered(office, "Thank you", Judgement(confidence=0.3))
    tried = await try_out(
        office,
        asked,
        rule("words", {"keyword": "at once"}),
        rule("mood", {"mood": "angry"}),
        rule("topic", {"topic": "law"}),
        rule("unsure", {"confidence_below": 0.5}),
    )
    assert fired(tried) == [None, "words", "unsure"]
    assert [turn.texts for turn in tried] == [("Hello",), ("A refund, please", "At once!"), ("Thank you",)]
    assert [turn.is_judged for turn in tried] == [False, True, True]
    assert [each.fires for each in tried[1].rules] == [True, True, True, False]
    assert [looked.sentence for looked in tried[1].rules[1].looked] == ["The contact's mood is angry."]


async def test_without_a_judgement_words_decide(office: Office) -> None:
    asked = await answered(office, "This is ridiculous, I am furious!!! Let me talk to a human")
    [turn] = await try_out(office, asked, rule("mood", {"mood": "angry"}), rule("human", {"asked_for_human": True}))
    assert [each.fires for each in turn.rules] == [True, True]
    assert not turn.is_judged


async def test_what_is_counted_is_counted_up_to_each_turn(office: Office) -> None:
    for _ in range(2):
        await answered(office, "Hello", Judgement(failed=True))
    asked = await answered(office, "Hello", Judgement())
    assert fired(await try_out(office, asked, rule("failed", {"failed_attempts": 2}))) == [None, "failed", "failed"]
    assert fired(await try_out(office, asked, rule("turns", {"turns": 3}))) == [None, None, "turns"]
    assert len(await try_out(office, asked, rule("turns", {"turns": 3}), at_most=1)) == 1


async def test_what_it_cost_and_which_tools_failed_is_known(office: Office) -> None:
    await publish(office, "current_time")
    asked = await office.say("What time is it?")
    job = Job(office, asked)
    [made] = (await job.step("current_time")).calls
    async with office.session() as session:
        await calls.settle(session, office.vault, made.call_id, Outcome("failed", "It stands still."))
        session.add(
            Usage(
                tenant_id=office.tenant_id,
                conversation_id=asked.conversation_id,
                employee_id=office.employee_id,
                turn_id=job.turn_id,
                provider="openai",
                model="gpt",
                input_tokens=1,
                output_tokens=1,
                cached_tokens=0,
                cost=Decimal("0.5"),
                latency_ms=1,
                outcome="ok",
            )
        )
    for reply_id in (await office.finish(asked, job.turn_id, "Noon.")).reply_ids:
        await office.begin_send(asked, reply_id)
        await office.settle_sent(asked, reply_id)
    tool, cost = rule("tool", {"tool_failed": "current_time"}), rule("cost", {"cost_above": "0.40"})
    [turn] = await try_out(office, asked, tool, cost)
    assert [each.fires for each in turn.rules] == [True, True]


async def test_a_turn_that_was_handed_off_is_found_and_after_it_all_is_counted_anew(office: Office) -> None:
    await answered(office, "Hello", Judgement(failed=True))
    turn_id = await handed_off(office, "I am angry", Judgement(mood="angry", failed=True))
    asked = await office.say("Written to people")
    async with office.session() as session:
        await owning.resume(session, office.vault, asked.conversation_id, "test")
    await answered(office, "Thank you", Judgement(failed=True))
    again = await handed_off(office, "Angry once more", Judgement(mood="angry"))

    tried = await try_out(
        office, asked, rule("angry", {"mood": "angry"}), rule("failed", {"failed_attempts": 2}), rule("t", {"turns": 2})
    )

    assert [turn.texts for turn in tried] == [("Hello",), ("I am angry",), ("Thank you",), ("Angry once more",)]
    assert [(turn.turn_id, turn.is_judged) for turn in tried[1::2]] == [(turn_id, True), (again, True)]
    assert fired(tried) == [None, "angry", None, "angry"]
    assert [[each.fires for each in turn.rules] for turn in tried[1::2]] == [[True, True, True], [True, False, True]]


async def test_a_conversation_that_people_just_took_was_not_judged(office: Office) -> None:
    asked = await office.say("Hello")
    async with office.session() as session:
        by = await owning.agent(session, "kim")
        await owning.take_over(session, office.vault, asked.conversation_id, by)
    [turn] = await try_out(office, asked, rule("hello", {"keyword": "hello"}))
    assert (turn.turn_id, turn.is_judged, turn.fired) == (None, False, "hello")


async def test_people_are_told_once_and_later_rules_are_looked_at(office: Office) -> None:
    for _ in range(2):
        asked = await answered(office, "A bell")
    told = rule("told", {"keyword": "bell"}, {"tell": {"to": "support"}})
    assert fired(await try_out(office, asked, told, rule("later", {"turns": 1}))) == ["told", "later"]


async def test_it_asks_nobody_and_leaves_nothing_behind(office: Office) -> None:
    asked = await answered(office, "Hello")
    counts = await _counts(office)
    await try_out(office, asked, rule("hello", {"keyword": "hello"}))
    assert await _counts(office) == counts


async def _counts(office: Office) -> list[int]:
    async with office.session() as session:
        return [
            (await session.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (AuditEvent, Message, Usage)
        ]


async def test_a_conversation_of_nobody(office: Office) -> None:
    async with office.session() as session:
        with pytest.raises(NotFound):
            await trying.try_out(session, office.vault, new_id())


async def test_what_was_forgotten_or_taken_back_is_not_looked_at(office: Office) -> None:
    asked = await answered(office, "Hello")
    async with office.session() as session:
        message = await session.get_one(Message, (office.tenant_id, asked.message_id))
        message.forgotten_at = message.created_at
        await conversations.changed(session, asked.conversation_id)
    assert await try_out(office, asked, rule("hello", {"keyword": "hello"})) == []


def test_rules_are_read_from_a_file_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("escalation:\n  - {name: a, when: {turns: 3}, then: {ask_approval: {}}}\n")
    [found] = manifest.read_rules(file)
    assert (found.name, found.when.turns, found.then.kind) == ("a", 3, "ask_approval")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("escalation:\n  - {name: a, when: {truns: 3}, then: {ask_approval: {}}}\n", "2: escalation[0].when.truns: "),
        ("rules: []\n", "1: rules: unknown field"),
        ("escalation: [\n", "is not YAML"),
    ],
)
def test_what_is_wrong_with_such_a_file_is_told_with_its_line(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(content)
    with pytest.raises(BadInput) as raised:
        manifest.read_rules(file)
    assert f"{file}:" in str(raised.value)
    assert told in str(raised.value)
