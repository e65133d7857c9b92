"""Whether anything has changed: short marks that differ when what agents see does, cheap enough to be asked for every
second; and what calls for somebody.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Uuid
from sqlmodel import col, select

from konstruct.tables import Handoff

_LIST: Final = text(
    """
    select md5(coalesce(string_agg(
      concat_ws('|', h.id, h.state, h.agent, h.priority, h.target, h.progress -> 'waiting' ->> 'since', h.claimed_at,
                c.owner, c.agent, c.epoch, c.last_seq, c.revision, c.contact_said_at),
      ',' order by h.id), ''))
    from handoffs h
    join conversations c on c.tenant_id = h.tenant_id and c.id = h.conversation_id
    where h.state in ('waiting', 'owned')
    """
)
_LATEST: Final = text(
    "select last_message_at, last_seq from conversations where not is_rehearsal"
    " order by last_message_at desc, id desc limit 1"
)
# Of a conversation, all that its panes show: the latest messages and how far each came, who was asked and who has it,
# what agents wrote or have written, files, calls, and what is to be decided.
_CONVERSATIONS: Final = text(
    """
    select c.id, md5(concat_ws('|',
      c.last_seq, c.revision, c.epoch, c.owner, c.agent, c.handoff_id, c.last_message_at, c.reengaged_at,
      c.contact_said_at,
      (select string_agg(concat_ws(':', m.id, m.state, m.settled_at, m.delivered_at, m.read_at, m.maybe_duplicate,
                                   m.sealed is null), ',' order by m.seq)
       from (select * from messages
             where tenant_id = c.tenant_id and conversation_id = c.id order by seq desc limit 60) m),
      (select string_agg(concat_ws(':', h.id, h.state, h.agent, h.ended_at, h.sealed_packet is null, h.priority,
                                   h.target, h.progress -> 'waiting' ->> 'since'), ',' order by h.id)
       from handoffs h where h.tenant_id = c.tenant_id and h.conversation_id = c.id),
      (select string_agg(concat_ws(':', e.id, e.state, e.sealed is null), ',' order by e.id)
       from handoffs h
       join handoff_entries e on e.tenant_id = h.tenant_id and e.handoff_id = h.id
       where h.tenant_id = c.tenant_id and h.conversation_id = c.id),
      (select string_agg(concat_ws(':', a.id, a.state), ',' order by a.id)
       from approvals a where a.tenant_id = c.tenant_id and a.conversation_id = c.id),
      (select concat_ws(':', count(*), max(t.created_at), count(t.sealed_result))
       from tool_calls t where t.tenant_id = c.tenant_id and t.conversation_id = c.id),
      (select string_agg(concat_ws(':', f.state, f.number), ',')
       from (select state, count(*) as number from files
             where tenant_id = c.tenant_id and conversation_id = c.id group by state order by state) f),
      (select person.opted_out_at from contacts person
       where person.tenant_id = c.tenant_id and person.id = c.contact_id)
    )) as mark
    from conversations c where c.id = any(:ids) and not c.is_rehearsal
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_CALLS: Final = text(
    """
    select h.conversation_id, h.state, h.agent,
           coalesce((h.progress -> 'waiting' ->> 'since')::timestamptz, h.created_at) as since,
           c.contact_said_at,
           (h.progress ->> 'given_at')::timestamptz = h.claimed_at as is_given
    from handoffs h
    join conversations c on c.tenant_id = h.tenant_id and c.id = h.conversation_id
    where h.state in ('waiting', 'owned')
    """
)


@dataclass(frozen=True)
class Call:
    """A conversation that wants somebody: whoever comes, or the agent who has it."""

    conversation_id: UUID
    is_waiting: bool
    agent: str | None
    """Who has it; of what waits, who gave it back last."""
    since: datetime
    """When it began to wait."""
    said_at: datetime | None
    """When the contact last wrote."""
    is_given: bool
    """Whether somebody else gave it to who has it."""


async def of_list(session: AsyncSession) -> str:
    """Of what is with people in the session's tenant."""
    return str(await session.scalar(_LIST))


async def of_latest(session: AsyncSession) -> str:
    """Of all conversations of the session's tenant: whose turn to speak was last."""
    latest = (await session.execute(_LATEST)).one_or_none()
    return "" if latest is None else f"{latest.last_message_at.timestamp():.6f}-{latest.last_seq}"


async def of_conversations(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Of those that the session's tenant has."""
    if not ids:
        return {}
    return {row.id: row.mark for row in await session.execute(_CONVERSATIONS, {"ids": list(ids)})}


async def calls(session: AsyncSession) -> list[Call]:
    """All that is with people in the session's tenant."""
    return [
        Call(
            row.conversation_id,
            row.state == "waiting",
            row.agent,
            row.since,
            row.contact_said_at,
            bool(row.is_given) and row.state == "owned",
        )
        for row in await session.execute(_CALLS)
    ]


async def waiting(session: AsyncSession) -> int:
    """How many conversations of the session's tenant wait for a person."""
    return (await session.execute(select(func.count()).where(col(Handoff.state) == "waiting"))).scalar_one()
