"""Whether anything has changed: short marks that differ when what agents see does, cheap enough to be asked for every
second.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_LIST: Final = text(
    """
    select md5(coalesce(string_agg(
      concat_ws('|', h.id, h.state, h.agent, h.priority, h.target, h.progress -> 'waiting' ->> 'since',
                c.owner, c.agent, c.epoch, c.last_seq, c.revision),
      ',' order by h.id), ''))
    from handoffs h
    join conversations c on c.tenant_id = h.tenant_id and c.id = h.conversation_id
    where h.state in ('waiting', 'owned')
    """
)
_LATEST: Final = text(
    "select last_message_at, last_seq, id from conversations where not is_rehearsal"
    " order by last_message_at desc, id desc limit 1"
)
_CONVERSATION: Final = text(
    """
    select md5(concat_ws('|',
      c.last_seq, c.revision, c.epoch, c.owner, c.agent, c.handoff_id, c.last_message_at, c.reengaged_at,
      (select string_agg(concat_ws(':', m.id, m.state, m.settled_at, m.delivered_at, m.read_at, m.maybe_duplicate,
                                   m.sealed is null), ',' order by m.seq)
       from (select * from messages
             where tenant_id = c.tenant_id and conversation_id = c.id order by seq desc limit 60) m),
      (select string_agg(concat_ws(':', h.id, h.state, h.agent, h.ended_at, h.sealed_packet is null, h.priority,
                                   h.target), ',' order by h.id)
       from handoffs h where h.tenant_id = c.tenant_id and h.conversation_id = c.id),
      (select string_agg(concat_ws(':', e.id, e.state, e.sealed is null), ',' order by e.id)
       from (select * from handoff_entries
             where tenant_id = c.tenant_id and handoff_id = c.handoff_id order by created_at desc limit 60) e),
      (select string_agg(concat_ws(':', a.id, a.state), ',' order by a.id)
       from approvals a where a.tenant_id = c.tenant_id and a.conversation_id = c.id and a.state = 'waiting')
    ))
    from conversations c where c.id = :conversation_id and not c.is_rehearsal
    """
)


async def of_list(session: AsyncSession, *, everything: bool = False) -> str:
    """Of what is with people in the session's tenant; ``everything``: of all other conversations, too."""
    mark = str(await session.scalar(_LIST))
    if everything:
        latest = (await session.execute(_LATEST)).one_or_none()
        mark += "" if latest is None else f"-{latest.last_message_at.timestamp():.6f}-{latest.last_seq}"
    return mark


async def of_conversation(session: AsyncSession, conversation_id: UUID) -> str:
    """Empty where the session's tenant has no such conversation."""
    return str(await session.scalar(_CONVERSATION, {"conversation_id": conversation_id}) or "")
