"""What of a tenant needs somebody: read from what is there, each thing with since when. Nothing is kept of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import poison
from konstruct.billing import allowances, entitlements, resting
from konstruct.billing.allowances import Allowance
from konstruct.budgets import terms as budgets
from konstruct.budgets.terms import WhenSpent
from konstruct.connecting import overview
from konstruct.connecting.overview import Seen
from konstruct.designs import listing
from konstruct.designs.listing import Listed
from konstruct.tables import (
    Approval,
    Conversation,
    Handoff,
    KnowledgeDocument,
    KnowledgeSource,
    Message,
    ModelKey,
    Tool,
)
from konstruct.tables.base import utc_now

CONVERSATIONS_SHOWN: Final = 10
"""In which something is set aside; the others follow when these are dealt with."""

Kind = Literal[
    "handoffs",
    "approvals",
    "quarantined",
    "connection",
    "model_key",
    "knowledge_source",
    "knowledge_documents",
    "tool",
    "budget",
    "messages",
    "resting_employees",
    "resting_connections",
    "unpublished",
    "draft",
]


@dataclass(frozen=True)
class Matter:
    kind: Kind
    name: str = ""
    """Of what it is about, as people call it; for an address, its ``key``."""
    key: str = ""
    count: int = 1
    since: datetime | None = None
    reason: str | None = None
    connection: Seen | None = None
    percent: int = 0
    """How much of a budget, or of the month's messages, is used."""
    when_spent: WhenSpent = "people"
    """What happens once it is."""


async def matters(session: AsyncSession) -> list[Matter]:
    """Of the session's tenant, the most pressing kinds first."""
    return [
        *[matter async for matter in _waiting(session)],
        *[matter async for matter in _quarantined(session)],
        *_connections(await overview.every(session)),
        *[matter async for matter in _refused(session)],
        *[matter async for matter in _knowledge(session)],
        *[matter async for matter in _budgets(session)],
        *[matter async for matter in _plan(session)],
        *_employees(await listing.employees(session)),
    ]


async def _waiting(session: AsyncSession) -> AsyncIterator[Matter]:
    handoffs = select(func.count(), func.min(Handoff.created_at)).where(col(Handoff.state) == "waiting")
    approvals = (
        select(func.count(), func.min(Approval.created_at))
        .join(Conversation, col(Conversation.id) == col(Approval.conversation_id))
        .where(col(Approval.state) == "waiting", ~col(Conversation.is_rehearsal))
    )
    kinds: tuple[Kind, Kind] = ("handoffs", "approvals")
    for kind, query in zip(kinds, (handoffs, approvals), strict=True):
        count, since = (await session.execute(query)).one()
        if count:
            yield Matter(kind, count=count, since=since)


async def _quarantined(session: AsyncSession) -> AsyncIterator[Matter]:
    """By conversations, the one that waits longest first."""
    found = await session.execute(
        select(Message.conversation_id, func.count(), func.min(Message.settled_at))
        .join(Conversation, col(Conversation.id) == col(Message.conversation_id))
        .where(col(Message.state) == "quarantined", ~col(Conversation.is_rehearsal))
        .group_by(col(Message.conversation_id))
        .order_by(func.min(Message.settled_at))
        .limit(CONVERSATIONS_SHOWN)
    )
    for conversation_id, count, since in found:
        [first, *_] = await poison.of_conversation(session, conversation_id)
        yield Matter("quarantined", key=str(conversation_id), count=count, since=since, reason=first.why)


def _connections(every: list[Seen]) -> list[Matter]:
    in_trouble = [
        seen
        for seen in every
        if seen.status not in ("active", "disconnected") or (seen.status == "active" and seen.renewal_problem)
    ]
    return [Matter("connection", key=str(seen.connection_id), connection=seen) for seen in in_trouble]


async def _refused(session: AsyncSession) -> AsyncIterator[Matter]:
    keys = select(ModelKey).where(col(ModelKey.refused_at).is_not(None)).order_by(col(ModelKey.provider))
    for key in await session.scalars(keys):
        yield Matter("model_key", key.provider, since=key.refused_at, reason=key.refused_why)
    tools = select(Tool).where(col(Tool.status).in_(("down", "refused"))).order_by(col(Tool.key))
    for tool in await session.scalars(tools):
        yield Matter("tool", tool.key, tool.key, since=tool.status_changed_at, reason=tool.status_reason)


async def _knowledge(session: AsyncSession) -> AsyncIterator[Matter]:
    failed = select(KnowledgeSource).where(col(KnowledgeSource.status) == "failed").order_by(col(KnowledgeSource.key))
    for source in await session.scalars(failed):
        yield Matter(
            "knowledge_source",
            source.title or source.key,
            source.key,
            since=source.status_changed_at,
            reason=source.status_reason,
        )
    documents = (
        select(KnowledgeSource.key, KnowledgeSource.title, func.count())
        .join(KnowledgeDocument, col(KnowledgeDocument.source_id) == col(KnowledgeSource.id))
        .where(col(KnowledgeDocument.status) == "failed", col(KnowledgeSource.status) != "removed")
        .group_by(col(KnowledgeSource.key), col(KnowledgeSource.title))
        .order_by(col(KnowledgeSource.key))
    )
    for key, title, count in await session.execute(documents):
        yield Matter("knowledge_documents", title or key, key, count=count)


async def _budgets(session: AsyncSession) -> AsyncIterator[Matter]:
    """Those that are nearly or wholly used up; where there are none, the ledger is not asked."""
    if not (await budgets.read(session)).is_any:
        return
    month = await budgets.month(session, utc_now())
    for each in (month.business, *month.employees):
        if each.share is not None and each.state in ("near", "over"):
            name, key = (each.name, each.key) if each.key else ("", "")
            yield Matter("budget", name, key, when_spent=month.when_spent, percent=int(each.share * 100))


async def _plan(session: AsyncSession) -> AsyncIterator[Matter]:
    """What the tenant's plan includes no more of. Of one that is not billed nothing else is asked."""
    entitled = await entitlements.of(session)
    if entitled.account is None:
        return
    used = await allowances.used(session, "messages", utc_now())
    messages = Allowance("messages", used, allowances.most(entitled, "messages"))
    if messages.is_near or messages.is_full:
        yield Matter("messages", percent=messages.percent or 0)
    rests = await resting.now(session, entitled)
    if rests.employees:
        yield Matter("resting_employees", count=len(rests.employees))
    if rests.connections:
        yield Matter("resting_connections", count=len(rests.connections))


def _employees(every: list[Listed]) -> list[Matter]:
    drafts = [each for each in every if each.has_draft and each.archived_at is None]
    never = [Matter("unpublished", each.name, each.key) for each in drafts if not each.published_version]
    return never + [Matter("draft", each.name, each.key) for each in drafts if each.published_version]
