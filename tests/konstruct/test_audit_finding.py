"""Events are found by conversation, actor, action and time, the newest first, page by page and by way of an index."""

from datetime import UTC, datetime

import pytest
from sqlmodel import select

from konstruct import audit
from konstruct.identity import new_id
from konstruct.tables import AuditEvent
from tests.support.office import Office
from tests.support.trail import Trail

FIRST, SECOND = new_id(), new_id()
SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def events(office: Office) -> list[AuditEvent]:
    """In the order in which they were written."""
    for conversation_id, actor, action in (
        (FIRST, "employee", "turn.answered"),
        (FIRST, "employee", "message.sent"),
        (None, "operator", "employee.published"),
        (SECOND, "contact", "turn.stopped"),
        (SECOND, "runtime", "turns.counted"),
    ):
        async with office.session() as session:
            audit.record(
                session, tenant_id=office.tenant_id, conversation_id=conversation_id, actor=actor, action=action
            )
    written = sorted(await office.rows(AuditEvent), key=lambda event: event.created_at)
    # Without the one that says that the office's connection was installed.
    return written[1:]


async def test_events_are_found_by_what_they_say(office: Office, events: list[AuditEvent]) -> None:
    async with office.session() as session:
        by_conversation = await audit.find(session, conversation_id=FIRST)
        by_actor = await audit.find(session, actor="employee")
        by_action = await audit.find(session, action="turn.stopped")
        by_prefix = await audit.find(session, action="turn.")
        by_time = await audit.find(session, since=events[1].created_at, until=events[3].created_at)
        by_all = await audit.find(
            session, conversation_id=FIRST, actor="employee", action="message.", since=events[0].created_at
        )
        by_nothing = await audit.find(session, conversation_id=new_id())
    assert ids(by_conversation) == ids([events[1], events[0]])
    assert ids(by_actor) == ids([events[1], events[0]])
    assert ids(by_action) == ids([events[3]])
    assert ids(by_prefix) == ids([events[3], events[0]])
    assert ids(by_time) == ids([events[2], events[1]])
    assert ids(by_all) == ids([events[1]])
    assert by_nothing == []


async def test_pages_follow_each_other_without_gap_or_repetition(office: Office, events: list[AuditEvent]) -> None:
    found: list[AuditEvent] = []
    async with office.session() as session:
        while page := await audit.find(session, limit=2, before=found[-1].id if found else None):
            found += page
        beyond = await audit.find(session, before=new_id())
    assert ids(found)[:-1] == ids(events[::-1])
    assert found[-1].action == "connection.installed"
    assert beyond == []


@pytest.mark.parametrize(
    ("filters", "index", "condition"),
    [
        (audit.Filters(since=SOME_TIME), "audit_events_by_time", "created_at >="),
        (audit.Filters(actor="operator"), "audit_events_by_actor", "actor ="),
        (audit.Filters(action="turn.stopped"), "audit_events_by_action", "action ="),
        (audit.Filters(action="turn."), "audit_events_by_action", "action >="),
        (audit.Filters(conversation_id=FIRST), "audit_events_tenant_id_chain_id_seq_key", "chain_id ="),
    ],
)
async def test_an_index_can_answer_each_question_under_row_security(
    office: Office, trail: Trail, filters: audit.Filters, index: str, condition: str
) -> None:
    """It keeps from an index all that an operator might leak. The other indexes are away meanwhile."""
    query = select(AuditEvent.id).where(*filters.clauses())
    statement = query.compile(trail.office.database._engine.sync_engine, compile_kwargs={"literal_binds": True})
    transaction = trail.administrator.transaction()
    await transaction.start()
    try:
        await trail.administrator.execute("alter table audit_events drop constraint audit_events_pkey")
        for row in await trail.administrator.fetch(
            "select indexname from pg_indexes where tablename = 'audit_events' and indexname <> $1", index
        ):
            kind = "constraint" if row[0].endswith("_key") else ""
            drop = f"alter table audit_events drop {kind} {row[0]}" if kind else f"drop index {row[0]}"
            await trail.administrator.execute(drop)
        await trail.administrator.execute(
            "set local enable_seqscan = off; set local enable_bitmapscan = off; set local role konstruct_app"
        )
        await trail.administrator.execute("select set_config('app.tenant_id', $1, true)", str(office.tenant_id))
        plan = "\n".join(row[0] for row in await trail.administrator.fetch(f"explain {statement}"))
    finally:
        await transaction.rollback()
    assert f"using {index} on audit_events" in plan
    assert condition in plan.partition("Index Cond:")[2].partition("\n")[0]


def ids(events: list[AuditEvent]) -> list[object]:
    return [event.id for event in events]
