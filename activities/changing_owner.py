"""Changes of owner: judged by the database, and acknowledged only when nothing of the employee's begins any more."""

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.client import Client

from activities.streaming import Streaming
from konstruct import outbox, temporal
from konstruct.contracts.handoffs import AgentAct, HandOff, OwnerChange, OwnerState, Resume
from konstruct.db import Database
from konstruct.desk import people
from konstruct.errors import BadInput, NotFound
from konstruct.handoffs import entries, owning
from konstruct.handoffs.owning import Ownership, Wish
from konstruct.streaming import NO_STREAMERS, Streamer
from konstruct.tables import Conversation
from konstruct.vault import Vault

LOOK_AGAIN_AFTER: Final = 0.05

log = structlog.get_logger(__name__)


class ChangingOwner:
    def __init__(
        self, database: Database, vault: Vault, client: Client, streamers: Mapping[str, Streamer] = NO_STREAMERS
    ) -> None:
        self._database = database
        self._vault = vault
        self._client = client
        self._streaming = Streaming(database, vault, streamers)

    @activity.defn(name="change_owner")
    async def change_owner(self, change: OwnerChange) -> OwnerState:
        async with self._database.tenant_session(change.tenant_id) as session:
            before = await self._handoff_of(session, change)
            ownership = await self._change(session, change)
        if ownership.owner != "employee":
            # The channel takes no more of it from then on, whatever is still on its way there.
            await self._streaming.end_cut(change.tenant_id, change.conversation_id)
            await self._wait_for_sends(change)
        for handoff_id in {before, ownership.handoff_id}:
            if handoff_id is not None:
                await temporal.mention_handoff(self._client, change.tenant_id, handoff_id)
        return OwnerState(ownership.owner, ownership.epoch, ownership.handoff_id, ownership.agent, ownership.answer_id)

    async def _handoff_of(self, session: AsyncSession, change: OwnerChange) -> UUID | None:
        """The one that it may end."""
        if change.act is not None and change.act.handoff_id is not None:
            return change.act.handoff_id
        conversation = await session.get(Conversation, (change.tenant_id, change.conversation_id))
        return conversation.handoff_id if conversation else None

    async def _change(self, session: AsyncSession, change: OwnerChange) -> Ownership:
        match change:
            case OwnerChange(action="hand_off", wish=HandOff() as wish):
                wanted = Wish("outside", wish.by, wish.reason, target=wish.to, priority=wish.priority)
                return await owning.hand_off(session, self._vault, change.conversation_id, wanted)
            case OwnerChange(action="resume", resume=Resume() as resume):
                return await owning.resume(
                    session,
                    self._vault,
                    change.conversation_id,
                    resume.by,
                    resume.note,
                    at_once=resume.at_once,
                )
            case OwnerChange(act=AgentAct() as act):
                return await self._act(session, change, act)
        raise BadInput("A change of owner says who wants what.")

    async def _act(self, session: AsyncSession, change: OwnerChange, act: AgentAct) -> Ownership:
        by = await owning.agent(session, act.by)
        if act.handoff_id is None:
            if change.action != "claim":
                raise BadInput("Say which handoff it is.")
            return await owning.take_over(
                *(session, self._vault, change.conversation_id, by), from_colleague=act.from_colleague
            )
        if (await owning.get(session, act.handoff_id)).conversation_id != change.conversation_id:
            raise NotFound("This conversation has no such handoff.")
        match change.action:
            case "claim":
                return await owning.claim(
                    *(session, self._vault, act.handoff_id, by), from_colleague=act.from_colleague
                )
            case "transfer":
                if act.to in {group.key for group in (await people.settings(session)).groups}:
                    return await owning.release(session, act.handoff_id, by, act.to)
                to = await owning.agent(session, act.to or "")
                return await owning.transfer(session, act.handoff_id, by, to)
            case "release":
                return await owning.release(session, act.handoff_id, by)
        note = await self._note(session, act.handoff_id, act.note_id) if act.note_id is not None else ""
        if change.action == "resolve":
            return await owning.resolve(session, self._vault, act.handoff_id, by, note)
        return await owning.hand_back(session, self._vault, act.handoff_id, by, note, at_once=act.at_once)

    async def _note(self, session: AsyncSession, handoff_id: UUID, note_id: UUID) -> str:
        """Of this handoff alone: another one's may be of another contact."""
        if (await entries.get(session, note_id)).handoff_id != handoff_id:
            raise NotFound("This handoff has no such note.")
        return await entries.text(session, self._vault, note_id)

    async def _wait_for_sends(self, change: OwnerChange) -> None:
        """What was about to be sent when the owner changed has begun by then, or will not begin."""
        while True:
            async with self._database.tenant_session(change.tenant_id) as session:
                if not await outbox.is_sending(session, change.conversation_id):
                    return
            await asyncio.sleep(LOOK_AGAIN_AFTER)
