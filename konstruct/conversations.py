"""Turns: which messages an employee answers, what it gets to see, and how an answer leaves.

States of an inbound message: ``received`` (durable, nobody works on it), ``taken`` (a turn thinks about it), then
``answered``, or ``refused`` (over a limit), ``deleted`` (taken back), ``stopped`` (a person stopped the turn),
``passed`` (it is an agent's to answer), ``failed`` (no answer could be given for too long), ``quarantined`` (it was
tried too often: see ``konstruct.poison``).
States of an outbound message: ``pending``, ``sending`` (the channel may have it), ``sent``, ``failed``, or
``discarded`` (the conversation moved on before it was sent); of ``streaming`` see ``konstruct.streams``, of
``waiting`` ``konstruct.reply_window``.
All functions that change a conversation lock its row first.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import DateTime, Integer, Uuid, and_, bindparam, case, exists, func, not_, or_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from konstruct import employees, said, window
from konstruct.channels import CHANNELS
from konstruct.connections import unsealed
from konstruct.errors import NotFound
from konstruct.files import keeping, showing
from konstruct.inbox import REMEMBER_AFTER
from konstruct.messages import IS_UNDER_WAY, latest_said, outgoing_reply, reply_under_way, stored_reply
from konstruct.ports import ChannelAccount, Thread
from konstruct.said import Said
from konstruct.tables import (
    BillingAccount,
    Connection,
    Contact,
    ContactKey,
    Conversation,
    ConversationSummary,
    Employee,
    EmployeeVersion,
    Memory,
    Message,
    Rehearsal,
    Step,
    Tenant,
)
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault
from konstruct.window import LINE, Line, Window

SUMMARY = "summary"
"""What ciphers call the purpose of a summary's text."""


@dataclass(frozen=True)
class Turn:
    """All that thinking needs, read in one transaction."""

    tenant_name: str
    tenant_models: tuple[str, ...]
    employee: EmployeeVersion
    account: ChannelAccount
    thread: Thread
    said: tuple[Said, ...]
    """Oldest first; ends with what is to be answered."""
    summary: str = ""
    """Of what was said before that."""
    asker: UUID | None = None
    """The one contact who is to be answered; None when several wrote, whose memories must not mix."""
    asked: str = ""
    asked_seqs: tuple[int, ...] = ()
    """The places of what is asked, which are the last of what was said."""
    is_untrusted: bool = False
    """Whether what strangers wrote was read in this conversation before."""
    after_seq: int = 0
    """The window begins after this message."""
    awaits_files: bool = False
    """Whether something that was sent along is not here yet."""
    can_recall: bool = False
    """Whether more is remembered of the asker than is said here."""
    window: Window | None = None
    """For the cache, whose copy was stale or gone."""
    rehearsal: Rehearsal | None = None
    """What is tried out here, if it is no contact that is answered."""
    time_zone: str = "UTC"
    budgets: Mapping[str, Any] = field(default_factory=dict)
    """As the tenant keeps them: see ``konstruct.budgets``."""
    plan: BillingAccount | None = field(default=None, compare=False)
    """By which it is known whether it may be answered; None where nothing limits that."""
    before: UUID | None = field(default=None, compare=False)
    """The turn that was the conversation's until now: an earlier one, or this one."""
    tries: int = field(default=0, compare=False)
    """Of what is asked, how often the worst was tried, this time included."""


# Statements of every turn are built once: building one takes longer than running it.
_IS_INBOUND = col(Message.direction) == "inbound"
_IS_REPLY = and_(
    col(Message.direction) == "outbound", col(Message.purpose) == "reply", col(Message.author) == "employee"
)
# What waited for the contact to write again is of none, and is sent besides.
_OF_A_TURN = col(Message.turn_id).is_not(None)
# One statement for both, since each costs a turn more than what it does: all that waits for an answer is taken, and an
# older answer that nobody has begun to send is discarded. Where one is under way, nothing is.
_CLAIM = (
    update(Message)
    .where(col(Message.conversation_id) == bindparam("of_conversation"))
    .where(col(Message.state).in_(("received", "taken", "pending")), or_(_IS_INBOUND, and_(_IS_REPLY, _OF_A_TURN)))
    .where(not_(IS_UNDER_WAY))
    .values(
        state=case((_IS_INBOUND, "taken"), else_="discarded"),
        turn_id=case((_IS_INBOUND, bindparam("of_turn", type_=Uuid)), else_=col(Message.turn_id)),
        tries=case((_IS_INBOUND, col(Message.tries) + bindparam("counting", type_=Integer)), else_=0),
        settled_at=case((_IS_INBOUND, col(Message.settled_at)), else_=bindparam("at", type_=DateTime(timezone=True))),
    )
    .returning(*LINE, col(Message.tries))
    .execution_options(synchronize_session=False)
)
_ONE, _OTHER = aliased(Contact), aliased(Contact)
_CONTEXT = (
    select(
        col(ConversationSummary.contact_id),
        col(ConversationSummary.sealed),
        func.coalesce(col(ConversationSummary.through_seq), 0),
        exists(
            select(Memory.id)
            .join(
                _OTHER, and_(col(_OTHER.tenant_id) == col(Memory.tenant_id), col(_OTHER.id) == col(Memory.contact_id))
            )
            .join(
                _ONE, and_(col(_ONE.tenant_id) == col(_OTHER.tenant_id), col(_ONE.person_id) == col(_OTHER.person_id))
            )
            .where(col(_ONE.id) == bindparam("asker"), col(Memory.superseded_at).is_(None))
            .where(
                or_(
                    col(Memory.conversation_id) != col(Conversation.id),
                    col(Memory.seq) <= func.coalesce(col(ConversationSummary.through_seq), 0),
                )
            )
        ),
    )
    .add_columns(keeping.ANY_WAITING)
    .select_from(Conversation)
    .outerjoin(ConversationSummary, col(ConversationSummary.conversation_id) == col(Conversation.id))
    .where(col(Conversation.id) == bindparam("conversation_id"))
)
_ASKED = (
    select(col(Contact.id), col(ContactKey.wrapped), col(Message.seq))
    .add_columns(
        select(func.coalesce(func.max(col(Step.number)) + 1, 0))
        .where(col(Step.turn_id) == bindparam("of_turn"))
        .scalar_subquery()
    )
    .join(Message, and_(col(Message.tenant_id) == col(Contact.tenant_id), col(Message.contact_id) == col(Contact.id)))
    .outerjoin(
        ContactKey,
        and_(col(ContactKey.tenant_id) == col(Contact.tenant_id), col(ContactKey.contact_id) == col(Contact.id)),
    )
    .where(col(Contact.erased_at).is_(None))
    .where(col(Message.turn_id) == bindparam("of_turn"), col(Message.state) == "taken")
    .order_by(col(Message.seq).desc())
    .limit(1)
)
_CHANGED = (
    update(Conversation)
    .where(col(Conversation.id) == bindparam("conversation_id"))
    .values(
        revision=col(Conversation.revision) + 1,
        memory_due_at=func.least(col(Conversation.memory_due_at), bindparam("due_at", type_=DateTime(timezone=True))),
    )
    .returning(Conversation)
    .execution_options(synchronize_session=False, populate_existing=True)
)
_LOCKED = (
    select(Conversation).where(col(Conversation.id) == bindparam("conversation_id")).with_for_update(key_share=True)
)
_WHEREABOUTS = (
    select(Conversation, Tenant, EmployeeVersion, Connection)
    .add_columns(col(Contact.external_id), Rehearsal, BillingAccount)
    .select_from(Conversation)
    .join(Tenant, col(Tenant.id) == col(Conversation.tenant_id))
    .join(Employee, col(Employee.id) == col(Conversation.employee_id))
    .outerjoin(EmployeeVersion, employees.IS_PUBLISHED)
    .outerjoin(Rehearsal, employees.IS_REHEARSED)
    .outerjoin(BillingAccount, col(BillingAccount.tenant_id) == col(Conversation.tenant_id))
    .join(Connection, col(Connection.id) == col(Conversation.connection_id))
    .join(Contact, col(Contact.id) == col(Conversation.contact_id))
    .where(col(Conversation.id) == bindparam("conversation_id"))
    .with_for_update(of=Conversation, key_share=True)
)


@dataclass(frozen=True)
class HandedOff:
    """The queue or an agent has the conversation, since ``epoch``."""

    owner: Literal["queue", "agent"]
    epoch: int
    handoff_id: UUID | None


async def begin_turn(
    session: AsyncSession,
    vault: Vault,
    conversation_id: UUID,
    turn_id: UUID,
    cached: Window | None = None,
    *,
    counts: bool = True,
) -> Turn | HandedOff | list[UUID]:
    """Claims all that waits for an answer, even what its workflow was not told of yet: so what was said is answered in
    its order. When an earlier attempt of this turn stored its answer, or there is nothing to answer, gives the ids of
    the messages to send instead; also when the answer before is under way, which comes to its end first. ``cached`` is
    used as long as nothing changed since it was read; ``counts``: whether the attempt is one more at what it claims
    (see ``konstruct.poison``)."""
    found = await whereabouts(session, vault, conversation_id)
    conversation = found.conversation
    # Only an earlier attempt of this very turn can have left its id here.
    if conversation.turn_id == turn_id and (stored := await stored_reply(session, turn_id)):
        return stored
    if conversation.owner != "employee":
        owner: Literal["agent", "queue"] = "agent" if conversation.owner == "agent" else "queue"
        return HandedOff(owner, conversation.epoch, conversation.handoff_id)
    before = conversation.turn_id
    claim = {"of_conversation": conversation_id, "of_turn": turn_id, "at": utc_now(), "counting": int(counts)}
    rows = (await session.execute(_CLAIM, claim | {"answered_in": before})).all()
    claimed = [Line.of_row(row[:-1]) for row in rows]
    asked = sorted((line for line in claimed if not line.is_answer), key=lambda line: line.seq)[-window.LONGEST :]
    if not asked:
        return await reply_under_way(session, before)
    conversation.turn_id = turn_id
    askers = window.contacts_in(asked)
    asker = askers.pop() if len(askers) == 1 else None
    summarised_for, summary, after_seq, can_recall, awaits_files = (
        await session.execute(_CONTEXT, {"conversation_id": conversation_id, "asker": asker})
    ).one()
    is_cached = cached is not None and cached.holds_for(conversation_id, conversation.revision, after_seq)
    if cached is None or not is_cached:
        cached = await window.read(session, conversation_id, revision=conversation.revision, after_seq=after_seq)
    lines = window.in_order([*cached.after(after_seq).lines, *asked], turn_id)
    questions = [line for line in asked if not line.is_note]
    ciphers = await vault.ciphers(session, window.contacts_in(lines) | ({summarised_for} if summarised_for else set()))
    # Most conversations have none, and cost nothing more.
    files = (
        {} if awaits_files is None else await showing.attached(session, ciphers, [line.message_id for line in lines])
    )
    return Turn(
        tenant_name=found.tenant.name,
        tenant_models=tuple(found.tenant.models),
        time_zone=found.tenant.time_zone,
        budgets=found.tenant.budgets,
        plan=found.plan,
        employee=found.employee,
        account=found.account,
        thread=found.thread,
        said=said.opened(lines, ciphers, files),
        summary=ciphers[summarised_for].open(SUMMARY, conversation_id, summary) if summarised_for in ciphers else "",
        asker=asker,
        asked="\n".join(each.text for each in said.opened(questions, ciphers, files)),
        asked_seqs=tuple(line.seq for line in asked),
        is_untrusted=conversation.untrusted_at is not None,
        after_seq=after_seq,
        awaits_files=bool(awaits_files),
        can_recall=can_recall and asker is not None and bool(questions),
        window=None if is_cached else cached,
        rehearsal=found.rehearsal,
        before=before,
        tries=max(row.tries for row in rows),
    )


async def is_untrusted(session: AsyncSession, message_ids: Collection[UUID]) -> bool:
    """Whether one of these was said where text that strangers may have written had been read."""
    if not message_ids:
        return False
    found = await session.scalar(
        select(Message.id)
        .join(Conversation, col(Conversation.id) == col(Message.conversation_id))
        .where(col(Message.id).in_(message_ids), col(Conversation.untrusted_at).is_not(None))
        .limit(1)
    )
    return found is not None


async def mark_untrusted(session: AsyncSession, conversation_id: UUID) -> None:
    """From now on, what is done here may follow from what strangers wrote."""
    conversation = await lock(session, conversation_id)
    conversation.untrusted_at = conversation.untrusted_at or utc_now()


@dataclass(frozen=True)
class Finished:
    """``stored_before``: the answer of an earlier attempt of this turn stands. ``nothing``: a person owns the
    conversation now, or all that was asked was taken back. ``superseded``: another turn has begun meanwhile."""

    outcome: Literal["stored", "stored_before", "nothing", "superseded"]
    reply_ids: list[UUID] = field(default_factory=list)


async def finish_turn(
    session: AsyncSession,
    vault: Vault,
    conversation_id: UUID,
    turn_id: UUID,
    parts: Sequence[str],
    *,
    step: int | None = None,
    through_seq: int | None = None,
) -> Finished:
    """Stores the answer, ready to be sent; of several attempts of one turn, the first one's.

    ``step`` and ``through_seq`` are what it was thought with: how many steps, and the last message. A call that was
    cancelled may go on for seconds, and its turn with it, under the same id.
    """
    conversation = await lock(session, conversation_id)
    if conversation.turn_id != turn_id:
        return Finished("superseded")
    if stored := await stored_reply(session, turn_id):
        return Finished("stored_before", stored)
    found = await asker(session, vault, conversation, turn_id)
    if conversation.owner != "employee" or found is None:
        return Finished("nothing")
    if (step is not None and step < found.steps) or (through_seq is not None and through_seq < found.seq):
        return Finished("superseded")
    messages = [outgoing_reply(conversation, found.cipher, found.contact_id, part, turn_id=turn_id) for part in parts]
    session.add_all(messages)
    return Finished("stored", [message.id for message in messages])


@dataclass(frozen=True)
class Asker:
    contact_id: UUID
    cipher: ContactCipher
    seq: int
    """Of the last message that is asked."""
    steps: int
    """How many the turn has taken."""


async def asker(session: AsyncSession, vault: Vault, conversation: Conversation, turn_id: UUID) -> Asker | None:
    """Who is answered in this turn: of several, who wrote last; None when all of it was taken back."""
    found = (await session.execute(_ASKED, {"of_turn": turn_id})).one_or_none()
    if found is None:
        return None
    contact_id, wrapped, seq, steps = found
    if wrapped:
        cipher = await vault.unwrap(session, conversation.tenant_id, contact_id, wrapped)
    else:
        cipher = await vault.cipher(session, conversation.tenant_id, contact_id)
    return Asker(contact_id, cipher, seq, steps)


async def lock(session: AsyncSession, conversation_id: UUID) -> Conversation:
    """Raises NotFound when the session's tenant has no such conversation."""
    conversation = (await session.execute(_LOCKED, {"conversation_id": conversation_id})).scalar_one_or_none()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


async def changed(session: AsyncSession, conversation_id: UUID) -> Conversation:
    """Locks as ``lock`` does, and says that there is more to look back on, and to remember."""
    change = {"conversation_id": conversation_id, "due_at": utc_now() + REMEMBER_AFTER}
    conversation = (await session.execute(_CHANGED, change)).scalar_one_or_none()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


@dataclass(frozen=True)
class Whereabouts:
    """A conversation and all around it: who answers in it, through what, and where."""

    conversation: Conversation
    tenant: Tenant
    employee: EmployeeVersion
    account: ChannelAccount
    thread: Thread
    rehearsal: Rehearsal | None = None
    plan: BillingAccount | None = None
    """What the tenant pays for; None where it is not billed."""


async def whereabouts(session: AsyncSession, vault: Vault, conversation_id: UUID) -> Whereabouts:
    """Locks as ``lock`` does, in the one statement that reads the rest, too. Raises as it does."""
    row = (await session.execute(_WHEREABOUTS, {"conversation_id": conversation_id})).one_or_none()
    if row is None:
        raise NotFound("There is no such conversation.")
    conversation, tenant, published, connection, contact_external_id, rehearsal, account = row
    latest = await latest_said(session, conversation_id) if CHANNELS[connection.kind].reply_window else ""
    return Whereabouts(
        conversation=conversation,
        tenant=tenant,
        employee=employees.answering(published, rehearsal),
        rehearsal=rehearsal,
        plan=account,
        account=await unsealed(session, vault, connection),
        thread=Thread(conversation.channel, conversation.root, contact_external_id, latest),
    )
