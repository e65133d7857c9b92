"""What rules would have done in conversations of the past. No model is asked, nothing is sent, and nobody is told."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, not_
from sqlmodel import col, select

from konstruct.db import Database
from konstruct.escalation import trying
from konstruct.escalation.rules import Rule
from konstruct.escalation.trying import Tried
from konstruct.tables import Connection, Conversation, Handoff
from konstruct.vault import Vault

MOST: Final = 25
"""Conversations, the latest."""
SECONDS: Final = 8.0
"""After which no other one is begun: somebody waits for the page."""
_TRIED_KINDS: Final = ("slack", "whatsapp", "console")


@dataclass(frozen=True)
class Past:
    conversation_id: UUID
    connection: str
    last_at: datetime
    turns: int
    fired: tuple[Tried, ...]
    """Those turns in which a rule would have been acted on."""
    handoffs: int
    """How often people had it in fact."""


@dataclass(frozen=True)
class Ran:
    conversations: list[Past]
    """The latest first."""
    left_out: int
    """Others that there was no time for."""


async def over_past(
    database: Database, vault: Vault, tenant_id: UUID, wanted: Sequence[Rule], employee_id: UUID | None = None
) -> Ran:
    """``employee_id``: only conversations of this employee. A transaction for each of them."""
    found = await _latest(database, tenant_id, employee_id)
    began, past = time.monotonic(), list[Past]()
    for conversation_id, connection, last_at, handoffs in found:
        if time.monotonic() - began > SECONDS:
            break
        async with database.tenant_session(tenant_id) as session:
            tried = await trying.try_out(session, vault, conversation_id, wanted)
        fired = tuple(turn for turn in tried if turn.fired is not None)
        past.append(Past(conversation_id, connection, last_at, len(tried), fired, handoffs))
    return Ran(past, len(found) - len(past))


async def _latest(
    database: Database, tenant_id: UUID, employee_id: UUID | None
) -> list[tuple[UUID, str, datetime, int]]:
    handoffs = (
        select(func.count())
        .select_from(Handoff)
        .where(col(Handoff.conversation_id) == col(Conversation.id), col(Handoff.state) != "told")
        .correlate(Conversation)
        .scalar_subquery()
    )
    query = (
        select(col(Conversation.id), col(Connection.key), col(Conversation.contact_said_at), handoffs)
        .join(Connection, col(Connection.id) == col(Conversation.connection_id))
        .where(col(Conversation.contact_said_at).is_not(None), col(Connection.kind).in_(_TRIED_KINDS))
        # As the index by time has it.
        .where(not_(col(Conversation.is_rehearsal)))
        .order_by(col(Conversation.last_message_at).desc(), col(Conversation.id).desc())
        .limit(MOST)
    )
    if employee_id is not None:
        query = query.where(col(Conversation.employee_id) == employee_id)
    async with database.tenant_session(tenant_id) as session:
        return [tuple(row) for row in await session.execute(query)]
