"""What is noted in a transaction is in the trail when it commits, in its chains, and only then."""

import asyncio
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import audit, db, usage
from konstruct.identity import new_id
from konstruct.models import ModelCall
from konstruct.ports import Tokens
from konstruct.tables import AuditEvent, Employee, EmployeeVersion
from tests.support.office import Office
from tests.support.trail import Trail


def note(session: AsyncSession, office: Office, conversation_id: UUID | None = None, **detail: Any) -> None:
    audit.record(
        session,
        tenant_id=office.tenant_id,
        conversation_id=conversation_id,
        actor="employee",
        action="turn.answered",
        **detail,
    )


async def test_each_conversation_has_a_chain_and_the_tenant_one_for_the_rest(trail: Trail) -> None:
    office, first, second = trail.office, new_id(), new_id()
    async with office.session() as session:
        for conversation_id in (first, None, second, first):
            note(session, office, conversation_id)
    async with office.session() as session:
        note(session, office, first)

    events = {event.id: event for event in await office.rows(AuditEvent)}.values()
    # The first event of the tenant's own chain says that its connection was installed.
    assert sorted((event.chain_id, event.seq) for event in events) == sorted(
        [(first, 1), (first, 2), (first, 3), (second, 1), (office.tenant_id, 1), (office.tenant_id, 2)]
    )
    assert all(event.conversation_id in (event.chain_id, None) for event in events)
    links = {(event.chain_id, event.seq): event for event in events}
    assert [links[first, 1].prev, links[first, 2].prev] == [b"", links[first, 1].hash]
    assert (await trail.verify()).broken is None


async def test_what_is_noted_in_a_transaction_that_fails_was_never_there(office: Office) -> None:
    async def fail() -> None:
        async with office.session() as session:
            note(session, office)
            raise KeyError

    before = await office.actions()
    with pytest.raises(KeyError):
        await fail()
    assert await office.actions() == before


async def test_events_are_written_when_all_else_of_their_transaction_is(office: Office) -> None:
    """Until then nobody else waits for the chain; and a write that fails is no event."""

    async def write() -> None:
        async with office.session() as session:
            note(session, office)
            assert await session.scalar(select(func.count()).where(AuditEvent.action == "turn.answered")) == 0
            # Not written yet, either, and it cannot be.
            session.add(Employee(tenant_id=office.tenant_id, key="ada", published_version=1))

    with pytest.raises(IntegrityError):
        await write()
    assert await office.events("turn.answered") == []


async def test_a_last_statement_finds_all_else_written(office: Office) -> None:
    found: list[str] = []

    async def look(session: AsyncSession) -> None:
        found.extend(await session.scalars(text("select key from employees order by key")))

    async with office.session() as session:
        db.before_commit(session, look)
        session.add(Employee(tenant_id=office.tenant_id, key="bert", published_version=1))
    assert found == ["ada", "bert"]


async def test_a_detail_is_stored_in_the_one_form_in_which_it_is_hashed(office: Office) -> None:
    some_id = new_id()
    async with office.session() as session:
        note(
            session, office, zeta=1, alpha=[True, None, 1.5, Decimal("0.10")], id=some_id, words='a\0b\ud800 ä "', b={}
        )
    [event] = await office.events("turn.answered")
    assert event.payload.decode() == (
        f'{{"alpha":[true,null,"1.5","0.10"],"b":{{}},"id":"{some_id}","words":"a�b? ä \\"","zeta":1}}'
    )
    assert event.detail["alpha"] == [True, None, "1.5", "0.10"]


async def test_what_cannot_be_audited_is_refused_where_it_is_noted(office: Office) -> None:
    async with office.session() as session:
        with pytest.raises(TypeError, match="datetime"):
            note(session, office, when=datetime.now(UTC))
        with pytest.raises(ValueError, match="tenant"):
            audit.record(session, tenant_id=new_id(), actor="employee", action="turn.answered")
        async with session.begin_nested():
            with pytest.raises(ValueError, match="savepoints"):
                note(session, office)
    assert await office.events("turn.answered") == []


async def test_transactions_that_write_to_many_chains_at_once_do_not_lock_each_other_out(trail: Trail) -> None:
    office, chains, chance = trail.office, [new_id() for _ in range(6)], random.Random(20_261_124)

    async def write() -> None:
        for _ in range(10):
            async with office.session() as session:
                for conversation_id in chance.sample(chains, 4):
                    note(session, office, conversation_id)

    async def seal() -> None:
        for _ in range(10):
            await trail.seal()

    await asyncio.gather(*(write() for _ in range(8)), seal())

    verified = await trail.verify()
    assert (verified.broken, verified.events, verified.chains) == (None, 8 * 10 * 4 + 1, 7)


async def test_every_call_to_a_model_is_audited_with_what_it_cost(office: Office) -> None:
    asked, turn_id = await office.say(), new_id()
    started = datetime.now(UTC)
    calls = [
        ModelCall("anthropic/claude", "anthropic", "claude", "skipped", started),
        ModelCall("openai/gpt", "openai", "gpt", "failed", started, error_kind="timeout", latency_ms=20_000),
        ModelCall("openai/mini", "openai", "mini", "ok", started, tokens=Tokens(9, 3), cost=Decimal("0.00012")),
        ModelCall("local/small", "local", "small", "cancelled", started, cost=None),
    ]
    async with office.session() as session:
        [employee] = (await session.scalars(select(EmployeeVersion))).all()
        usage.record(session, employee, asked.conversation_id, turn_id, calls)

    events = await office.events("model.called")
    assert [(event.detail["link"], event.detail["outcome"], event.detail["error"]) for event in events] == [
        ("openai/gpt", "failed", "timeout"),
        ("openai/mini", "ok", None),
        ("local/small", "cancelled", None),
    ]
    assert {event.chain_id for event in events} == {asked.conversation_id}
    assert events[1].detail == {
        "turn_id": str(turn_id),
        "purpose": "reply",
        "employee_version": 1,
        "link": "openai/mini",
        "provider": "openai",
        "model": "mini",
        "outcome": "ok",
        "error": None,
        "input_tokens": 9,
        "output_tokens": 3,
        "cached_tokens": 0,
        "estimated": False,
        "cost": "0.00012",
        "latency_ms": 0,
        "key_of": "deployment",
    }
    assert events[2].detail["cost"] is None
