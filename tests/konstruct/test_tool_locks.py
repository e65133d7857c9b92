"""All that locks a conversation, its approvals and its calls, at once and over again: nobody waits for each other."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from konstruct import approvals, contacts, conversations, withdrawing
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound, Unavailable
from konstruct.tables import Approval, ToolCall
from konstruct.tools import calls
from konstruct.tools.calls import Outcome
from tests.support.office import Office
from tests.support.workshop import Job, approval_row, define, job, over_http, publish


@pytest.fixture
async def shop(office: Office) -> Office:
    await define(office, "look", over_http("https://shop.example.com/"))
    await define(office, "pay", over_http("https://shop.example.com/", "POST", "changes"))
    await publish(office, "look", "pay")
    return office


async def decide(office: Office, approval_id: UUID) -> None:
    fingerprint = (await approval_row(office, approval_id)).fingerprint
    async with office.session() as session:
        await approvals.decide(
            session, office.vault, approval_id, is_yes=True, fingerprint=fingerprint, by="slack:U9", note="Yes."
        )


async def settle(office: Office, approval_id: UUID) -> None:
    async with office.session() as session:
        await approvals.settle(session, approval_id)


async def report(office: Office, approval_id: UUID) -> None:
    async with office.session() as session:
        await approvals.report(session, office.vault, approval_id)


async def announce(office: Office, approval_id: UUID) -> None:
    async with office.session() as session:
        await approvals.announced(session, approval_id, {"external_id": "1"})


async def make(office: Office, call_id: UUID) -> None:
    async with office.session() as session:
        await calls.begin(session, office.vault, call_id)
    async with office.session() as session:
        await calls.settle(session, office.vault, call_id, Outcome("done", "Done.", is_untrusted=True))


async def abandon(office: Office, turn: Job) -> None:
    async with office.session() as session:
        for turn_id in await withdrawing.abandon(
            session, turn.asked.conversation_id, [turn.asked.message_id], "stopped"
        ):
            await withdrawing.cancel_turn(session, turn_id, by="whoever wanted it")


async def erase(office: Office, contact_id: UUID) -> None:
    async with office.session() as session:
        await contacts.erase(session, office.tenant_id, contact_id, actor="test")


async def next_step(turn: Job) -> None:
    again = Job(turn.office, turn.asked, turn.turn_id, turn.steps)
    if isinstance(await turn.office.begin(turn.asked, turn.turn_id), conversations.Turn):
        await again.keep()


async def tolerated(attempt: Awaitable[object]) -> None:
    """Whoever comes too late is told so. A deadlock is an Unavailable, too, which says that the database is away."""
    try:
        await attempt
    except (Conflict, NotFound):
        return
    except Unavailable as error:
        if "being erased" not in str(error):
            raise


@pytest.mark.parametrize("round_", range(6))
async def test_nobody_waits_for_each_other(shop: Office, round_: int) -> None:
    turn = await job(shop, root=f"{round_}.0")
    kept = await turn.step("look", "pay")
    [approval_id], [look] = kept.approvals, [each.call_id for each in kept.calls]
    [contact_id] = {row.contact_id for row in await shop.rows(Approval)}
    pay = (await approval_row(shop, approval_id)).call_id
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: decide(shop, approval_id),
        lambda: settle(shop, approval_id),
        lambda: announce(shop, approval_id),
        lambda: report(shop, approval_id),
        lambda: make(shop, look),
        lambda: make(shop, pay),
        lambda: abandon(shop, turn),
        lambda: next_step(turn),
        lambda: shop.say("And?", root=f"{round_}.0"),
        lambda: erase(shop, contact_id),
    ]
    # Each round begins with another one, and each is there twice.
    order = attempts[round_:] + attempts[:round_]
    async with asyncio.timeout(30):
        await asyncio.gather(*(tolerated(attempt()) for attempt in [*order, *reversed(order)]))
    assert {row.state for row in await shop.rows(ToolCall)} <= {"done", "cancelled", "running"}
    async with shop.session() as session:
        for row in await shop.rows(Approval):
            with pytest.raises(NotFound):
                await approvals.read(session, shop.vault, row.id)


async def test_an_erasure_waits_for_the_word_that_is_being_told(shop: Office, database: Database) -> None:
    """And then takes it back: what was told is no longer to be read."""
    turn = await job(shop)
    [approval_id] = (await turn.step("pay")).approvals
    [row] = await shop.rows(Approval)
    await decide(shop, approval_id)
    async with shop.session() as telling:
        note_id = await approvals.report(telling, shop.vault, approval_id)
        erasing = asyncio.create_task(erase(shop, row.contact_id))
        await until_somebody_waits(database)
    await erasing
    assert note_id is not None
    assert (await shop.message(note_id)).state == "deleted"


async def until_somebody_waits(database: Database) -> None:
    """For a lock of another; nothing but asking Postgres tells."""
    while True:
        async with database.system_session() as session:
            if await session.scalar(text("select count(*) from pg_locks where not granted")):
                return
