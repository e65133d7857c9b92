"""Somebody who rehearses an office's employee, as the portal has it done."""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlmodel import select

from konstruct import inbox
from konstruct.connections import ConnectionRef
from konstruct.designs import drafting
from konstruct.identity import ConnectionId, new_id
from konstruct.inbox import Accepted, Inbound
from konstruct.ports import Limiter
from konstruct.rehearsals import rooms, showing
from konstruct.rehearsals.showing import Shown
from konstruct.tables import Connection, Conversation, Rehearsal
from tests.support.office import Allowing, Office


@dataclass
class Stage:
    office: Office
    rehearsal: Rehearsal
    user_id: UUID = field(default_factory=new_id)

    async def say(self, text: str = "Hello?", *, limiter: Limiter | None = None) -> Accepted:
        """As ``rooms.say``, with nobody told of it."""
        office, of = self.office, self.rehearsal
        async with office.session() as session:
            conversation = await session.get_one(Conversation, (office.tenant_id, of.conversation_id))
        connection = ConnectionRef(office.tenant_id, ConnectionId(conversation.connection_id))
        inbound = Inbound(rooms.KIND, conversation.root, str(new_id()), str(self.user_id), text, is_rehearsal=True)
        return await inbox.accept(office.database, office.vault, limiter or Allowing(), connection, inbound)

    async def shown(self) -> Shown:
        async with self.office.session() as session:
            rehearsal = await rooms.get(session, self.rehearsal.conversation_id, self.user_id)
            return await showing.show(session, self.office.vault, rehearsal)


async def stage(
    office: Office, *, user_id: UUID | None = None, revision: int = 2, acts: bool = False, **content: Any
) -> Stage:
    """A draft that differs from what is published by ``content``, and somebody who has begun to try it out."""
    user_id = user_id or new_id()
    async with office.session() as session:
        draft = await drafting.read(session, "ada")
        draft = replace(draft, revision=revision, content=draft.content | content)
        rehearsal = await rooms.start(session, draft, user_id=user_id, acts=acts)
    return Stage(office, rehearsal, user_id)


async def room(office: Office) -> Connection:
    """The connection that rehearsals of the office's employee have."""
    async with office.session() as session:
        return (await session.scalars(select(Connection).where(Connection.kind == rooms.KIND))).one()
