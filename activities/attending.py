"""Attending to a handoff: its card and thread in the tenant's channel, who is rung, and what the contact is told."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from temporalio import activity
from temporalio.client import Client

from activities.heartbeat import heartbeat
from konstruct import connections, temporal
from konstruct.contracts.conversation import DELIVER_MESSAGE, SEND_NOTICE, DeliverMessage, SendNotice
from konstruct.contracts.handoffs import RESUME, HandoffStanding, HandoffState, Resume
from konstruct.db import Database
from konstruct.desk import people
from konstruct.desk.people import Desk
from konstruct.desk_ports import DeskEntry, Deskroom, HandoffCard
from konstruct.errors import ChannelRefused, KonstructError, MailRefused, MailUnavailable, Unavailable
from konstruct.handoffs import attending, cards, owning
from konstruct.handoffs.attending import KONSTRUCT, Advanced, Post, Task
from konstruct.identity import ConnectionId
from konstruct.ports import ChannelAccount, Mailer
from konstruct.tables import Connection, Handoff
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

MAIL_AGAIN_AFTER: Final = 60.0
"""Seconds."""
DELETED: Final = ("message_not_found", "cant_update_message")
"""What a channel says of a card that is not there, or of what is left of one."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Room:
    """Where people are shown the handoff."""

    deskroom: Deskroom
    account: ChannelAccount
    channel: str
    card: str | None
    """The channel's id of the card, once it is there."""


@dataclass(frozen=True)
class _Seen:
    handoff: Handoff
    desk: Desk
    room: _Room | None


class Attending:
    def __init__(
        self,
        database: Database,
        vault: Vault,
        deskrooms: Mapping[str, Deskroom],
        mailer: Mailer | None,
        client: Client,
        portal: str | None = None,
    ) -> None:
        """``portal``: its address, where people know one."""
        self._database = database
        self._vault = vault
        self._deskrooms = deskrooms
        self._mailer = mailer
        self._client = client
        self._portal = portal

    @activity.defn(name="attend_handoff")
    async def attend_handoff(self, state: HandoffState) -> HandoffStanding:
        """Whatever of it fails is tried again; what was done before is found, and not done twice."""
        async with heartbeat():
            if activity.info().attempt == 1:
                return await self._attend(state)
            # After one that did not end well each is counted beforehand.
            async with self._database.tenant_session(state.tenant_id) as session:
                await attending.count(session, state.handoff_id)
            try:
                standing = await self._attend(state)
            except (KonstructError, asyncio.CancelledError):
                await self._uncount(state)
                raise
            await self._uncount(state)
            return standing

    async def _uncount(self, state: HandoffState) -> None:
        async with self._database.tenant_session(state.tenant_id) as session:
            await attending.uncount(session, state.handoff_id)

    async def _attend(self, state: HandoffState) -> HandoffStanding:
        async with self._database.tenant_session(state.tenant_id) as session:
            advanced = await attending.advance(session, self._vault, state.handoff_id, utc_now())
        await self._tell_conversation(state, advanced)
        for task in advanced.tasks:
            if task.kind == "email":
                await self._mail(state, task)
        if await self._show(state, advanced):
            await self._post_all(state)
        else:
            # Nobody can be rung where nothing is shown.
            for task in advanced.tasks:
                if task.kind != "email":
                    await self._cross_out(state, task)
        return await self._standing(state)

    async def _tell_conversation(self, state: HandoffState, advanced: Advanced) -> None:
        """What it is told lies in the database, where a sweep finds what Temporal does not take now."""
        told: list[tuple[str, Any]] = [(SEND_NOTICE, SendNotice(each)) for each in advanced.notice_ids]
        if advanced.answer_id is not None:
            told.append((DELIVER_MESSAGE, DeliverMessage(advanced.answer_id)))
        if advanced.is_erased:
            told.append((RESUME, Resume("erasure")))
        for signal, content in told:
            try:
                await temporal.tell(self._client, state.tenant_id, advanced.conversation_id, signal, content)
            except Unavailable:
                log.warning("temporal_unreachable", handoff_id=str(state.handoff_id))

    async def _mail(self, state: HandoffState, task: Task) -> None:
        seen = await self._see(state)
        addresses = {key: person.email for key in task.people if (person := seen.desk.agent(key)) and person.email}
        if self._mailer is None or not addresses:
            log.warning("handoff_not_mailed", handoff_id=str(state.handoff_id), has_mailer=self._mailer is not None)
        else:
            async with self._database.tenant_session(state.tenant_id) as session:
                link = await cards.link(session, self._portal, seen.handoff)
            try:
                await self._mailer.send(cards.mail(seen.handoff, task.id, seen.desk, addresses, link))
            except MailRefused as error:
                log.error("handoff_mail_refused", handoff_id=str(state.handoff_id), reason=str(error))
            except MailUnavailable as error:
                # The card must not wait for it; with the next thing that is due it is tried again.
                log.warning("handoff_mail_unavailable", handoff_id=str(state.handoff_id), reason=str(error))
                return
        await self._cross_out(state, task)

    async def _cross_out(self, state: HandoffState, task: Task) -> None:
        async with self._database.tenant_session(state.tenant_id) as session:
            await attending.cross_out(session, state.handoff_id, task.id)

    async def _see(self, state: HandoffState) -> _Seen:
        async with self._database.tenant_session(state.tenant_id) as session:
            handoff = await owning.get(session, state.handoff_id)
            desk = await people.settings(session)
            return _Seen(handoff, desk, await self._room(session, handoff, desk))

    async def _room(self, session: AsyncSession, handoff: Handoff, desk: Desk) -> _Room | None:
        """Where its card is; if there is none yet, where the desk is now."""
        channel, found = handoff.card_channel or desk.channel, handoff.card_connection_id
        if found is None:
            found = await session.scalar(select(col(Connection.id)).where(col(Connection.key) == desk.connection_key))
        if found is None or channel is None:
            return None
        account = await connections.open_account(session, self._vault, ConnectionId(found))
        deskroom = self._deskrooms.get(account.kind)
        if deskroom is None or not account.is_active:
            return None
        return _Room(deskroom, account, channel, handoff.card_external_id)

    async def _show(self, state: HandoffState, advanced: Advanced) -> bool:
        """The card as it is now, and who is to be rung; False where the tenant has no place for it."""
        seen = await self._see(state)
        if seen.handoff.tries > attending.MOST_TRIES:
            # Whoever showed it ended without a word, each time. In the portal and by e-mail people still come.
            log.error("handoff_given_up", handoff_id=str(state.handoff_id), tries=seen.handoff.tries)
            return False
        if seen.room is None:
            return False
        rings = [task for task in advanced.tasks if task.kind == "ring"]
        try:
            room, is_new = await self._show_card(state, seen, seen.room, rings)
            for task in advanced.tasks:
                # A new card has called those who are rung first.
                if task.kind != "email" and not (is_new and task in rings):
                    await self._call(state, seen, room, task)
                    await self._cross_out(state, task)
        except ChannelRefused as error:
            # It will never take it. Over the API, and by e-mail, people still come.
            log.error("handoff_not_shown", handoff_id=str(state.handoff_id), code=error.code)
            return False
        return True

    async def _show_card(self, state: HandoffState, seen: _Seen, room: _Room, rings: list[Task]) -> tuple[_Room, bool]:
        ring = _users(seen.desk, rings)
        async with self._database.tenant_session(state.tenant_id) as session:
            card = await cards.card(session, self._vault, seen.handoff, seen.desk, ring, portal=self._portal)
        digest = cards.digest(card)
        if room.card is not None and seen.handoff.shown_state == digest:
            return room, False
        if room.card is not None and await self._renew_card(room, room.card, card):
            await self._note_shown(state, room, digest, [])
            return room, False
        if room.card is not None:
            async with self._database.tenant_session(state.tenant_id) as session:
                await attending.begin_anew(session, state.handoff_id)
        room = replace(room, card=await self._find_or_show(state, seen.handoff, room, card))
        await self._note_shown(state, room, digest, rings)
        return room, True

    async def _renew_card(self, room: _Room, shown: str, card: HandoffCard) -> bool:
        """False where somebody deleted it, and its thread with it."""
        try:
            await room.deskroom.renew_handoff(room.account, room.channel, shown, card)
        except ChannelRefused as error:
            if error.code not in DELETED:
                raise
            return False
        return True

    async def _find_or_show(self, state: HandoffState, handoff: Handoff, room: _Room, card: HandoffCard) -> str:
        begun = handoff.progress.get("showing_at")
        if begun is not None:
            since = datetime.fromisoformat(begun)
            found = await room.deskroom.find_handoff(room.account, room.channel, card, since)
            if found is not None:
                return found
        async with self._database.tenant_session(state.tenant_id) as session:
            _, locked = await owning.locked(session, state.handoff_id)
            locked.progress = locked.progress | {"showing_at": begun or utc_now().isoformat()}
        return await room.deskroom.show_handoff(room.account, room.channel, card)

    async def _note_shown(self, state: HandoffState, room: _Room, digest: str, called: list[Task]) -> None:
        """``called``: for whom it was enough."""
        async with self._database.tenant_session(state.tenant_id) as session:
            _, handoff = await owning.locked(session, state.handoff_id)
            handoff.shown_state = digest
            handoff.card_connection_id, handoff.card_channel = room.account.connection_id, room.channel
            handoff.card_external_id = room.card
            for task in called:
                await attending.cross_out(session, state.handoff_id, task.id)

    async def _call(self, state: HandoffState, seen: _Seen, room: _Room, task: Task) -> None:
        if seen.handoff.state not in ("waiting", "told"):
            return
        sentence = "This still waits for a person." if task.kind == "remind" else "Can you take this one?"
        entry = DeskEntry(
            attending.task_entry_id(state.handoff_id, task),
            KONSTRUCT,
            sentence,
            "system",
            task.noted_at,
            ring=_users(seen.desk, [task]),
        )
        await self._post(room, Post(entry, is_uncertain=activity.info().attempt > 1))

    async def _post_all(self, state: HandoffState) -> None:
        seen = await self._see(state)
        if seen.room is None or seen.room.card is None:
            return
        while True:
            async with self._database.tenant_session(state.tenant_id) as session:
                handoff = await owning.get(session, state.handoff_id)
                posts = await attending.next_posts(session, self._vault, handoff, seen.desk)
            for post in posts:
                async with self._database.tenant_session(state.tenant_id) as session:
                    await attending.begin_post(session, state.handoff_id, post)
                await self._try_to_post(state, seen.room, post)
                async with self._database.tenant_session(state.tenant_id) as session:
                    await attending.end_post(session, state.handoff_id, post)
            if not posts:
                break

    async def _try_to_post(self, state: HandoffState, room: _Room, post: Post) -> None:
        try:
            await self._post(room, post)
        except ChannelRefused as error:
            log.error("handoff_line_refused", handoff_id=str(state.handoff_id), code=error.code)

    async def _post(self, room: _Room, post: Post) -> None:
        where = (room.account, room.channel, room.card or "", post.entry)
        if post.is_uncertain and await room.deskroom.find_entry(*where) is not None:
            return
        await room.deskroom.post_entry(*where)

    async def _standing(self, state: HandoffState) -> HandoffStanding:
        async with self._database.tenant_session(state.tenant_id) as session:
            handoff = await owning.get(session, state.handoff_id)
            wanted = await attending.wanted(session, state.handoff_id)
            unfetched = await attending.waiting_files(session, handoff)
        left = None if handoff.next_due_at is None else (handoff.next_due_at - utc_now()).total_seconds()
        if handoff.progress.get("tasks"):
            # Mail that the server did not take.
            left = min(MAIL_AGAIN_AFTER, left if left is not None else MAIL_AGAIN_AFTER)
        return HandoffStanding(
            is_over=handoff.state in ("over", "told"),
            seconds=left,
            needs_packet=handoff.sealed_packet is None and handoff.state != "over",
            assist=wanted,
            files_wait_in=handoff.conversation_id if unfetched else None,
        )


def _users(desk: Desk, tasks: list[Task]) -> tuple[str, ...]:
    keys = dict.fromkeys(key for task in tasks for key in task.people)
    found = (desk.agent(key) for key in keys)
    return tuple(person.slack for person in found if person is not None and person.slack)
