"""A database that was put back to an earlier moment is made safe to work on: what was under way in it may have been
done since, and is not done again.

What the channel has counts as sent, and what it shows an answer to as answered. Calls of tools that may have been made
are ``unknown``, and nobody is asked about them any more. What is left is for people to look at, or, where it is old,
failed. Each tenant's part may be cut off and done again.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, or_, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import approvals, audit, consults, outbox, outgoing, streams, tenants
from konstruct.conversations import changed, whereabouts
from konstruct.db import Database
from konstruct.handoffs import attending, owning
from konstruct.handoffs.owning import Wish
from konstruct.messages import next_seq, seal_text
from konstruct.outgoing import Send
from konstruct.recovery.copying import Report
from konstruct.recovery.looking import Look, Seen
from konstruct.tables import (
    Approval,
    AuditEvent,
    Consult,
    Conversation,
    Handoff,
    HandoffEntry,
    Message,
    MeteredUsage,
    Restoration,
    ThresholdAlert,
    ToolCall,
)
from konstruct.tables.base import utc_now
from konstruct.tools import calls
from konstruct.tools.calls import Outcome
from konstruct.vault import Vault
from konstruct.window import Line

RECENT: Final = timedelta(days=7)
"""What nobody answered for longer is not worth a person's look."""
REVISIONS: Final = 1_000_000
"""More than a conversation goes through: copies of its window that were made since the backup fit none to come."""
RESTORED: Final = "restored"
"""The error of what an agent wrote and did not get out: they may write it again."""
ACTOR: Final = "operator"

_UNDER_WAY: Final = ("received", "taken", "pending", "sending", "streaming", "waiting")
_UNANSWERED: Final = ("Nobody was at what was said here last when the database was restored from a backup.", "")
_PERHAPS: Final = (
    "The database was restored from a backup, and what was said here last may have been answered since then.",
    " Look into the channel before you answer.",
)
_WITHOUT_OUTSIDE: Final = ("console", "rehearsal")
_FORGET_WAYS_IN: Final = (
    # Sessions that were ended since, and links that were used since, would let in again; mails would come again.
    text("select forget_expired_accounts(interval '0', interval '0', interval '0')"),
    text("select forget_account_links()"),
)


@dataclass
class Fenced:
    """What came of what was under way, in conversations or messages."""

    conversations: int = 0
    arrived: int = 0
    """Messages that the channel has."""
    unsent: int = 0
    """It certainly, or perhaps, does not; they are not sent any more."""
    found: int = 0
    """Answers of later, which the channel still has, and the conversation has again."""
    answered: int = 0
    offered: int = 0
    """Conversations that people are to look at."""
    failed: int = 0

    def add(self, other: "Fenced") -> None:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


async def fence(database: Database, vault: Vault, restoration: Restoration, look: Look, report: Report) -> Fenced:
    """All tenants; those that an earlier call got through are left as they are."""
    async with database.system_session() as session:
        for statement in _FORGET_WAYS_IN:
            await session.execute(statement)
    total = Fenced()
    for slug, tenant_id in (await tenants.every(database)).items():
        fenced = await _Tenant(database, vault, restoration, look, tenant_id).fence()
        total.add(fenced)
        if fenced.conversations:
            report(f"{slug}: {fenced.conversations} conversations were under way.")
    return total


@dataclass(frozen=True)
class _Tenant:
    database: Database
    vault: Vault
    restoration: Restoration
    look: Look
    tenant_id: UUID

    async def fence(self) -> Fenced:
        fenced = Fenced()
        async with self.database.tenant_session(self.tenant_id) as session:
            if await _is_told(session, self.restoration):
                return fenced
            undecided = await _hold_still(session, self.vault, self.restoration)
            found = await session.scalars(
                select(col(Message.conversation_id))
                .where(col(Message.state).in_(_UNDER_WAY), col(Message.created_at) <= self.restoration.restored_at)
                .distinct()
            )
            under_way = undecided | set(found)
        for conversation_id in sorted(under_way):
            fenced.add(await self._settle(conversation_id, is_undecided=conversation_id in undecided))
        async with self.database.tenant_session(self.tenant_id) as session:
            audit.record(
                session,
                tenant_id=self.tenant_id,
                actor=ACTOR,
                action="tenant.restored",
                restoration=str(self.restoration.id),
                of_moment=self.restoration.of_moment.isoformat(),
                restored_at=self.restoration.restored_at.isoformat(),
                **asdict(fenced),
            )
        return fenced

    async def _settle(self, conversation_id: UUID, *, is_undecided: bool) -> Fenced:
        async with self.database.tenant_session(self.tenant_id) as session:
            found = await whereabouts(session, self.vault, conversation_id)
            rows = await self._rows(session, conversation_id)
            sends = {}
            for row in rows:
                if row.state in ("pending", "sending"):
                    assembling = outgoing.assembled(
                        session, self.vault, found, Line.of(row), row.detail, row.sealed_files
                    )
                    if (send := await assembling) is not None:
                        sends[row.id] = send
            known = set(
                await session.scalars(
                    select(col(Message.id)).where(
                        col(Message.conversation_id) == conversation_id, col(Message.direction) == "outbound"
                    )
                )
            )
        since = min((row.created_at for row in rows), default=self.restoration.of_moment)
        seen = await self.look.look(found.account, found.thread, list(sends.values()), since, known)
        async with self.database.tenant_session(self.tenant_id) as session:
            fenced = Fenced(conversations=1)
            await self._settle_sends(session, conversation_id, sends, seen, fenced)
            conversation = await changed(session, conversation_id)
            # As at a change of owner: what was about to be sent under the former one is not, and the trail tells it.
            conversation.epoch += 1
            epoch = conversation.epoch
            await streams.cut(session, conversation)
            await self._take_answers(session, conversation, seen, fenced)
            has_outside = found.account.kind not in _WITHOUT_OUTSIDE
            await self._settle_asked(session, conversation, seen, fenced, is_undecided, has_outside)
            audit.record(
                session,
                tenant_id=self.tenant_id,
                conversation_id=conversation_id,
                actor=ACTOR,
                action="turn.restored",
                restoration=str(self.restoration.id),
                epoch=epoch,
                is_certain=seen.is_certain,
                **asdict(fenced),
            )
        return fenced

    async def _rows(self, session: AsyncSession, conversation_id: UUID) -> list[Message]:
        found = await session.scalars(
            select(Message)
            .where(col(Message.conversation_id) == conversation_id, col(Message.state).in_(_UNDER_WAY))
            .where(col(Message.created_at) <= self.restoration.restored_at)
            .order_by(col(Message.seq))
        )
        return list(found)

    async def _settle_sends(
        self, session: AsyncSession, conversation_id: UUID, sends: dict[UUID, Send], seen: Seen, fenced: Fenced
    ) -> None:
        for message_id, external_id in seen.arrived.items():
            await outbox.settle_sent(
                session, conversation_id, message_id, external_id, was_resent=False, stream=sends[message_id].stream
            )
            fenced.arrived += 1
        conversation = await changed(session, conversation_id)
        for row in await self._rows(session, conversation_id):
            if row.direction != "outbound" or row.state == "streaming":
                continue
            fenced.unsent += 1
            if row.author == "agent":
                await outbox.fail(session, conversation, row, RESTORED)
            else:
                row.state, row.settled_at = "discarded", utc_now()
        await session.flush()

    async def _take_answers(
        self, session: AsyncSession, conversation: Conversation, seen: Seen, fenced: Fenced
    ) -> None:
        """What the employee said later belongs to the conversation: without it, it would be said again."""
        ciphers = await self.vault.ciphers(session, [conversation.contact_id])
        if (cipher := ciphers.get(conversation.contact_id)) is None:
            return
        for answer in seen.answers:
            session.add(
                Message(
                    tenant_id=self.tenant_id,
                    id=answer.message_id,
                    conversation_id=conversation.id,
                    connection_id=conversation.connection_id,
                    seq=next_seq(conversation),
                    direction="outbound",
                    author="employee",
                    contact_id=conversation.contact_id,
                    sealed=seal_text(cipher, answer.message_id, answer.text),
                    external_id=answer.external_id,
                    state="sent",
                    epoch=conversation.epoch,
                    created_at=answer.at,
                    settled_at=answer.at,
                )
            )
            audit.record(
                session,
                tenant_id=self.tenant_id,
                conversation_id=conversation.id,
                actor="employee",
                action="message.sent",
                subject_id=conversation.contact_id,
                message_id=str(answer.message_id),
                found_again=True,
            )
            fenced.found += 1

    async def _settle_asked(
        self,
        session: AsyncSession,
        conversation: Conversation,
        seen: Seen,
        fenced: Fenced,
        is_undecided: bool,
        has_outside: bool,
    ) -> None:
        asked = [row for row in await self._rows(session, conversation.id) if row.direction == "inbound"]
        # Of several, one answer does not tell which of them it is to.
        is_answered = len(asked) == 1 and bool(seen.answers)
        if not asked and not is_undecided:
            return
        if not has_outside:
            _become(asked, "stopped")
        elif is_answered and not is_undecided:
            _become(asked, "answered")
            fenced.answered += 1
        elif conversation.owner != "employee":
            _become(asked, "passed")
        elif conversation.last_message_at < self.restoration.restored_at - RECENT:
            _become(asked, "failed")
            fenced.failed += 1
        else:
            is_certain = seen.is_certain and not seen.answers and not is_undecided
            reason = "".join(_UNANSWERED if is_certain else _PERHAPS)
            await session.flush()
            await owning.hand_off(session, self.vault, conversation.id, Wish("outside", "restoration", reason))
            fenced.offered += 1


def _become(rows: list[Message], state: str) -> None:
    for row in rows:
        row.state, row.settled_at = state, utc_now()


async def _is_told(session: AsyncSession, restoration: Restoration) -> bool:
    told = select(AuditEvent.id).where(
        col(AuditEvent.action) == "tenant.restored",
        col(AuditEvent.detail)["restoration"].astext == str(restoration.id),
    )
    return (await session.execute(told)).first() is not None


async def _hold_still(session: AsyncSession, vault: Vault, restoration: Restoration) -> set[UUID]:
    """Ends whatever would go on by itself; gives the conversations in which something was undecided."""
    now = utc_now()
    await session.execute(
        update(Conversation)
        .where(col(Conversation.created_at) <= restoration.restored_at)
        .values(
            revision=col(Conversation.revision) + REVISIONS,
            turn_id=None,
            memory_claimed_until=None,
        )
        .execution_options(synchronize_session=False)
    )
    await session.execute(update(ThresholdAlert).where(col(ThresholdAlert.mailed_at).is_(None)).values(mailed_at=now))
    # It may have arrived from the moment of the backup on: within a day Stripe tells the repetition, after it, none is.
    await session.execute(
        update(MeteredUsage)
        .where(col(MeteredUsage.state) == "waiting")
        .values(tried_at=func.coalesce(col(MeteredUsage.tried_at), restoration.of_moment))
    )
    undecided = {
        *await _end_questions(session),
        *await session.scalars(select(col(ToolCall.conversation_id)).where(col(ToolCall.state).in_(calls.OPEN))),
    }
    for call_id in list(await session.scalars(select(col(ToolCall.id)).where(col(ToolCall.state).in_(calls.OPEN)))):
        await calls.settle(session, vault, call_id, Outcome("unknown", calls.UNKNOWN))
    await _hold_handoffs(session)
    return undecided


async def _end_questions(session: AsyncSession) -> set[UUID]:
    """Nobody decides any more on what may have been decided, and the employee is told nothing of it again."""
    now, of = utc_now(), set()
    for approval in list(await session.scalars(select(Approval).where(col(Approval.reported_at).is_(None)))):
        if approval.state == "waiting":
            approval.expires_at = min(approval.expires_at, now)
            await session.flush()
            await approvals.settle(session, approval.id)
        approval.announced_at, approval.reported_at = approval.announced_at or now, now
        of.add(approval.conversation_id)
    for consult in list(await session.scalars(select(Consult).where(col(Consult.reported_at).is_(None)))):
        if consult.state == "waiting":
            consult.expires_at = min(consult.expires_at, now)
            await session.flush()
            await consults.settle(session, consult.id)
        consult.announced_at, consult.reported_at = consult.announced_at or now, now
        of.add(consult.conversation_id)
    return of


async def _hold_handoffs(session: AsyncSession) -> None:
    """People are not rung again, nothing is shown to them twice, and the contact is told nothing again."""
    now = utc_now()
    found = await session.execute(
        select(Handoff, col(Conversation.last_seq))
        .join(
            Conversation,
            and_(
                col(Conversation.tenant_id) == col(Handoff.tenant_id),
                col(Conversation.id) == col(Handoff.conversation_id),
            ),
        )
        .where(or_(col(Handoff.state) != "over", col(Handoff.next_due_at).is_not(None)))
    )
    for handoff, last_seq in found.all():
        attending.wait_anew(handoff, now)
        handoff.mirrored_seq = max(handoff.mirrored_seq, last_seq)
    await session.execute(
        update(HandoffEntry)
        .where(col(HandoffEntry.posted_at).is_(None), col(HandoffEntry.posting_at).is_(None))
        .values(posting_at=now)
    )
