"""For how long what was said is kept, and letting go of what is older: words, files and memories. That it happened
stays on record, and so does the audit trail, whole.

What is open is not touched, however old: a conversation that people have or wait for, that has something unanswered,
or in which somebody is asked for a yes or an answer.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, not_, or_, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.billing import enforcing
from konstruct.db import Database, among
from konstruct.errors import BadInput
from konstruct.files import keeping
from konstruct.tables import (
    Approval,
    Consult,
    Conversation,
    ConversationSummary,
    File,
    Handoff,
    Judgement,
    Memory,
    Message,
    RehearsedStep,
    RetentionRun,
    Step,
    Tenant,
)
from konstruct.tables.base import utc_now

Kind = Literal["messages", "files", "memories"]
KINDS: Final[tuple[Kind, ...]] = ("messages", "files", "memories")

LEAST_DAYS: Final = 1
MOST_DAYS: Final = 3_650
CONVERSATIONS_AT_ONCE: Final = 20
ROWS_AT_ONCE: Final = 500

_HAS_WORDS: Final = or_(
    col(Message.body).is_not(None), col(Message.sealed).is_not(None), col(Message.sealed_files).is_not(None)
)
_OPEN_STATES: Final = ("received", "taken", "pending", "sending", "streaming", "waiting")


def _about(
    table: type[Message] | type[File] | type[Memory] | type[Approval] | type[Consult],
) -> ColumnElement[bool]:
    return and_(col(table.tenant_id) == col(Conversation.tenant_id), col(table.conversation_id) == col(Conversation.id))


_IS_OPEN: Final = or_(
    col(Conversation.owner) != "employee",
    col(Conversation.handoff_id).is_not(None),
    exists().where(_about(Message), col(Message.state).in_(_OPEN_STATES)).correlate(Conversation),
    exists().where(_about(Approval), col(Approval.reported_at).is_(None)).correlate(Conversation),
    exists().where(_about(Consult), col(Consult.reported_at).is_(None)).correlate(Conversation),
)


@dataclass(frozen=True)
class Periods:
    """Days; None: for good. Files and what is remembered go with the messages that they are of, if not before."""

    messages: int | None = None
    files: int | None = None
    memories: int | None = None

    def content(self) -> dict[str, int]:
        """As it is stored."""
        return {name: days for name, days in asdict(self).items() if days is not None}

    def before(self, kind: Kind, now: datetime) -> datetime | None:
        """What is older than this is let go of."""
        days = [each for each in (self.messages, getattr(self, kind)) if each is not None]
        return now - timedelta(days=min(days)) if days else None

    def shortens(self, former: "Periods") -> bool:
        """Whether something goes that would have stayed."""
        now = utc_now()
        for kind in KINDS:
            new, old = self.before(kind, now), former.before(kind, now)
            if new is not None and (old is None or new > old):
                return True
        return False


@dataclass(frozen=True)
class Amount:
    """How much there is to let go of, or was let go of."""

    conversations: int = 0
    messages: int = 0
    files: int = 0
    memories: int = 0

    def __bool__(self) -> bool:
        return any(asdict(self).values())


@dataclass(frozen=True)
class Run:
    """The last time that a tenant's retention was carried out."""

    started_at: datetime
    ended_at: datetime | None
    messages: int
    files: int
    memories: int


def read(kept: Mapping[str, int]) -> Periods:
    return Periods(kept.get("messages"), kept.get("files"), kept.get("memories"))


async def settings(session: AsyncSession) -> Periods:
    """Of the session's tenant."""
    return read((await session.scalars(select(col(Tenant.retention)))).one())


async def last_run(session: AsyncSession) -> Run | None:
    row = await session.scalar(select(RetentionRun))
    return None if row is None else Run(row.started_at, row.ended_at, row.messages, row.files, row.memories)


async def change(session: AsyncSession, tenant_id: UUID, periods: Periods, *, actor: str) -> bool:
    """Whether it is something else than before. Raises BadInput for a time that is none, and OverPlan."""
    for days in periods.content().values():
        if not LEAST_DAYS <= days <= MOST_DAYS:
            raise BadInput(f"Enter between {LEAST_DAYS} and {MOST_DAYS:,} days, or nothing for good.")
    tenant = await session.get_one(Tenant, tenant_id, with_for_update={"key_share": True})
    before = read(tenant.retention)
    if before == periods:
        return False
    # Files and what is remembered go with the messages that they are of, if not before.
    await enforcing.require_days(session, periods.messages, before.messages)
    tenant.retention = periods.content()
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="retention.changed",
        before=before.content(),
        after=periods.content(),
    )
    return True


async def preview(session: AsyncSession, periods: Periods) -> Amount:
    """What would be let go of now."""
    now = utc_now()
    words, files, memories = (periods.before(kind, now) for kind in KINDS)
    messages = conversations = 0
    if words is not None:
        counted = select(func.count(), func.count(col(Message.conversation_id).distinct())).select_from(Message)
        counted = counted.join(Conversation, _about(Message)).where(_old_words(words), not_(_IS_OPEN))
        messages, conversations = (await session.execute(counted)).one()
    return Amount(
        conversations,
        messages,
        await _count(session, File, None if files is None else _old_files(files)),
        await _count(session, Memory, None if memories is None else _old_memories(memories)),
    )


async def _count(session: AsyncSession, table: type[File] | type[Memory], which: ColumnElement[bool] | None) -> int:
    if which is None:
        return 0
    counted = select(func.count()).select_from(table).join(Conversation, _about(table))
    return await session.scalar(counted.where(which, not_(_IS_OPEN))) or 0


def _old_words(before: datetime) -> ColumnElement[bool]:
    return and_(col(Message.created_at) < before, _HAS_WORDS)


def _old_files(before: datetime) -> ColumnElement[bool]:
    return and_(col(File.created_at) < before, col(File.state) != "waiting")


def _old_memories(before: datetime) -> ColumnElement[bool]:
    return col(Memory.happened_at) < before


async def tenants(database: Database, after: UUID | None, at_most: int) -> list[UUID]:
    """Those that do not keep everything for good, by id."""
    async with database.system_session() as session:
        found = await session.scalars(
            sql("select tenants_with_retention(cast(:after as uuid), :at_most)"), {"after": after, "at_most": at_most}
        )
        return list(found)


async def begin(session: AsyncSession, tenant_id: UUID) -> Periods:
    """Notes that a run has begun, and gives what it has to go by. One that died is begun anew, and goes on."""
    fresh = {"started_at": utc_now(), "ended_at": None, "messages": 0, "files": 0, "memories": 0}
    run = insert(RetentionRun).values(tenant_id=tenant_id, **fresh)
    await session.execute(run.on_conflict_do_update(index_elements=["tenant_id"], set_=fresh))
    return await settings(session)


async def end(session: AsyncSession, tenant_id: UUID) -> None:
    """Notes that nothing is left to do."""
    run = await session.get_one(RetentionRun, tenant_id)
    run.ended_at = utc_now()
    if run.messages or run.files or run.memories:
        audit.record(
            session,
            tenant_id=tenant_id,
            actor="retention",
            action="retention.carried_out",
            messages=run.messages,
            files=run.files,
            memories=run.memories,
        )


async def let_go(session: AsyncSession, tenant_id: UUID, periods: Periods, kind: Kind) -> bool:
    """Of some of what is too old; whether there was any. Called until there is none."""
    before = periods.before(kind, utc_now())
    if before is None:
        return False
    let_go_of = {"messages": _let_go_of_words, "files": _let_go_of_files, "memories": _let_go_of_memories}
    gone = await let_go_of[kind](session, before)
    if gone:
        await session.execute(
            update(RetentionRun)
            .where(col(RetentionRun.tenant_id) == tenant_id)
            .values(
                messages=col(RetentionRun.messages) + gone.messages,
                files=col(RetentionRun.files) + gone.files,
                memories=col(RetentionRun.memories) + gone.memories,
            )
        )
    return bool(gone)


async def _locked(
    session: AsyncSession, table: type[Message] | type[File] | type[Memory], which: ColumnElement[bool]
) -> dict[UUID, Conversation]:
    """Some conversations that have something of it, and are not open; nothing comes into them meanwhile."""
    of_it = exists().where(_about(table), which).correlate(Conversation)
    found = select(col(Conversation.id)).where(of_it, not_(_IS_OPEN)).limit(CONVERSATIONS_AT_ONCE)
    # One that is busy is left for the next time: nobody waits here, and nobody should wait for this.
    rows = await session.scalars(
        select(Conversation)
        .where(col(Conversation.id).in_(list(await session.scalars(found))))
        .order_by(col(Conversation.id))
        .with_for_update(skip_locked=True)
    )
    held = {row.id: row for row in rows}
    # It may have been opened before it was locked.
    still = select(col(Conversation.id)).where(among(col(Conversation.id), held), not_(_IS_OPEN))
    return {conversation_id: held[conversation_id] for conversation_id in await session.scalars(still)}


async def _let_go_of_words(session: AsyncSession, before: datetime) -> Amount:
    held = await _locked(session, Message, _old_words(before))
    if not held:
        return Amount()
    old = list(
        await session.execute(
            select(col(Message.id), col(Message.conversation_id), col(Message.seq))
            .where(among(col(Message.conversation_id), held), _old_words(before))
            .order_by(col(Message.created_at))
            .limit(ROWS_AT_ONCE)
        )
    )
    ids = [row.id for row in old]
    last = {row.conversation_id: row.seq for row in sorted(old, key=lambda row: row.seq)}
    files = await _files_of(session, ids)
    await keeping.remove_of(session, ids)
    forgotten = await session.scalars(
        delete(Memory).where(among(col(Memory.message_id), ids)).returning(col(Memory.id))
    )
    memories = len(list(forgotten))
    await session.execute(
        update(Message)
        .where(among(col(Message.id), ids))
        # Nothing looks back on it any more, as on what its sender took back.
        .values(
            body=None,
            sealed=None,
            sealed_files=None,
            external_id=None,
            state=sql("case when direction = 'inbound' then 'deleted' else state end"),
        )
        .execution_options(synchronize_session=False)
    )
    # A summary tells of the oldest messages, so what it covers begins with what has gone.
    await session.execute(delete(ConversationSummary).where(among(col(ConversationSummary.conversation_id), last)))
    await _let_go_around(session, list(last), before)
    for conversation_id, seq in last.items():
        conversation = held[conversation_id]
        conversation.revision += 1
        audit.record(
            session,
            tenant_id=conversation.tenant_id,
            conversation_id=conversation_id,
            actor="retention",
            action="messages.let_go",
            messages=sum(row.conversation_id == conversation_id for row in old),
            through=seq,
        )
    return Amount(len(last), len(ids), files, memories)


async def _let_go_around(session: AsyncSession, conversation_ids: list[UUID], before: datetime) -> None:
    """What was done and judged in these conversations then, which is made of what was said."""
    for steps in (
        delete(Step).where(among(col(Step.conversation_id), conversation_ids), col(Step.created_at) < before),
        delete(Judgement).where(
            among(col(Judgement.conversation_id), conversation_ids), col(Judgement.created_at) < before
        ),
        delete(RehearsedStep).where(
            among(col(RehearsedStep.conversation_id), conversation_ids), col(RehearsedStep.created_at) < before
        ),
        delete(Handoff).where(
            among(col(Handoff.conversation_id), conversation_ids),
            *(col(Handoff.state) == "over", col(Handoff.ended_at) < before, col(Handoff.next_due_at).is_(None)),
        ),
    ):
        await session.execute(steps.execution_options(synchronize_session=False))


async def _files_of(session: AsyncSession, message_ids: list[UUID]) -> int:
    counted = select(func.count()).select_from(File).where(among(col(File.message_id), message_ids))
    return await session.scalar(counted) or 0


async def _let_go_of_files(session: AsyncSession, before: datetime) -> Amount:
    which = _old_files(before)
    held = await _locked(session, File, which)
    if not held:
        return Amount()
    old = select(col(File.message_id)).where(among(col(File.conversation_id), held), which).distinct()
    ids = list(await session.scalars(old.limit(ROWS_AT_ONCE)))
    files = await _files_of(session, ids)
    await keeping.remove_of(session, ids)
    changed = await session.scalars(
        update(Message)
        .where(among(col(Message.id), ids))
        .values(sealed_files=None)
        .returning(col(Message.conversation_id))
        .execution_options(synchronize_session=False)
    )
    for conversation_id in set(changed):
        held[conversation_id].revision += 1
    return Amount(files=files)


async def _let_go_of_memories(session: AsyncSession, before: datetime) -> Amount:
    which = _old_memories(before)
    held = await _locked(session, Memory, which)
    if not held:
        return Amount()
    old = select(col(Memory.id)).where(among(col(Memory.conversation_id), held), which).limit(ROWS_AT_ONCE)
    ids = list(await session.scalars(old))
    await session.execute(delete(Memory).where(among(col(Memory.id), ids)).execution_options(synchronize_session=False))
    return Amount(memories=len(ids))
