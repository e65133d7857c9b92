"""What is kept of judgements, and what rules count of the turns of a conversation."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from konstruct.conversations import lock
from konstruct.escalation import judgements
from konstruct.escalation.judgements import Counted
from konstruct.escalation.judging import Judgement
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Wish
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.tables import Usage
from konstruct.tables.base import utc_now
from tests.support.office import Office

FOUND = Judgement(True, True, "angry", True, frozenset({"refund", "law"}), 0.7)


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.exchange("Hello?", "Hello!", "And more.")


async def keep(office: Office, asked: Accepted, turn_id: UUID, found: Judgement) -> None:
    async with office.session() as session:
        await judgements.keep(session, office.tenant_id, asked.conversation_id, turn_id, found)


async def of_turn(office: Office, turn_id: UUID) -> Judgement | None:
    async with office.session() as session:
        return await judgements.of_turn(session, turn_id)


async def counted(office: Office, asked: Accepted, turn_id: UUID | None = None) -> Counted:
    async with office.session() as session:
        return await judgements.counted(session, asked.conversation_id, turn_id or new_id())


async def spend(office: Office, asked: Accepted, cost: str | None) -> None:
    async with office.session() as session:
        session.add(
            Usage(
                tenant_id=office.tenant_id,
                conversation_id=asked.conversation_id,
                employee_id=office.employee_id,
                turn_id=new_id(),
                provider="openai",
                model="gpt",
                input_tokens=1,
                output_tokens=1,
                cached_tokens=0,
                cost=None if cost is None else Decimal(cost),
                latency_ms=1,
                outcome="ok",
            )
        )


async def test_a_judgement_is_found_again_as_it_was(office: Office, asked: Accepted) -> None:
    turn_id = new_id()
    assert await of_turn(office, turn_id) is None
    await keep(office, asked, turn_id, FOUND)
    assert await of_turn(office, turn_id) == FOUND


async def test_a_turn_has_one_judgement_which_is_the_latest(office: Office, asked: Accepted) -> None:
    turn_id = new_id()
    await keep(office, asked, turn_id, FOUND)
    await keep(office, asked, turn_id, Judgement())
    assert await of_turn(office, turn_id) == Judgement()


async def test_what_rules_count_is_counted_without_the_turn_that_asks(office: Office, asked: Accepted) -> None:
    failed, asking = new_id(), new_id()
    await keep(office, asked, failed, Judgement(failed=True))
    await keep(office, asked, new_id(), Judgement())
    await keep(office, asked, asking, Judgement(failed=True))
    await office.answer(await office.say("Again?"))
    await spend(office, asked, "0.25")
    await spend(office, asked, "0.5")
    await spend(office, asked, None)
    other = await office.exchange("Hello", root="2.0")
    await spend(office, other, "9")
    await keep(office, other, new_id(), Judgement(failed=True))

    assert await counted(office, asked, asking) == Counted(2, 1, Decimal("0.75"), frozenset())


async def test_an_answer_that_was_never_sent_counts_as_no_turn(office: Office, asked: Accepted) -> None:
    await office.answer(await office.say("One"))
    await office.answer(await office.say("Two"))
    assert (await counted(office, asked)).turns == 2


async def test_a_conversation_in_which_nothing_was_counted(office: Office) -> None:
    assert await counted(office, await office.say()) == Counted(0, 0, Decimal(0), frozenset())


async def test_people_were_told_by_these_rules_until_it_is_dealt_with(office: Office, asked: Accepted) -> None:
    async with office.session() as session:
        await owning.tell(session, office.vault, asked.conversation_id, Wish("rule", "employee", "Why.", "bell"))
    assert (await counted(office, asked)).told == {"bell"}


async def test_after_it_was_handed_back_all_is_counted_anew(office: Office, asked: Accepted) -> None:
    await keep(office, asked, new_id(), FOUND)
    await spend(office, asked, "0.25")
    wish = Wish("rule", "employee", "Why.", "angry")
    async with office.session() as session:
        await owning.hand_off(session, office.vault, asked.conversation_id, wish)
    async with office.session() as session:
        await owning.resume(session, office.vault, asked.conversation_id, "test")
    assert await counted(office, asked) == Counted(0, 0, Decimal(0), frozenset())
    await keep(office, asked, new_id(), replace(FOUND, mood="good"))
    assert (await counted(office, asked)).failed == 1


async def test_it_is_the_conversations_own_time_that_counts(office: Office, asked: Accepted) -> None:
    await keep(office, asked, new_id(), FOUND)
    async with office.session() as session:
        (await lock(session, asked.conversation_id)).counted_since = utc_now() + timedelta(hours=1)
    assert await counted(office, asked) == Counted(0, 0, Decimal(0), frozenset())
