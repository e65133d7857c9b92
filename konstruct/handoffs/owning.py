"""Changes of a conversation's owner. Each is one transaction under the lock of its row, and one event of the trail."""

from dataclasses import dataclass
from typing import Any, Final, Literal, cast
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, notices
from konstruct.conversations import changed
from konstruct.db import after_commit
from konstruct.desk import people
from konstruct.errors import Conflict, NotAllowed, NotFound
from konstruct.handoffs import leaving, told, whose
from konstruct.observing import metrics
from konstruct.tables import Conversation, Handoff, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

REASON: Final = "handoff reason"
"""What ciphers call the purpose of why people are asked."""
LINES_BEFORE: Final = 10
"""So many of the conversation's last messages stand in a card's thread from the beginning."""

Owner = Literal["employee", "queue", "agent"]
Priority = Literal["low", "normal", "high", "urgent"]
Cause = Literal["rule", "employee", "agent", "outside"]

_LOCKED = (
    select(Handoff)
    .where(col(Handoff.id) == bindparam("handoff_id"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


@dataclass(frozen=True)
class Agent:
    """A person who takes conversations over, by the key under which the tenant's desk knows them."""

    key: str
    name: str


@dataclass(frozen=True)
class Wish:
    """Why a person is wanted, and who."""

    cause: Cause
    requested_by: str
    """Who the trail says it was."""
    reason: str
    """A sentence, as people read it."""
    rule: str | None = None
    target: str | None = None
    priority: Priority = "normal"


@dataclass(frozen=True)
class Ownership:
    """Who owns a conversation since ``epoch``."""

    conversation_id: UUID
    owner: Owner
    epoch: int
    handoff_id: UUID | None
    agent: str | None = None
    answer_id: UUID | None = None
    """The note that the employee is to answer at once."""


async def agent(session: AsyncSession, key: str) -> Agent:
    """Raises NotAllowed for who is not at the desk of the session's tenant, where it names people at all."""
    at = await people.settings(session)
    person = at.agent(key)
    if person is None and (at.people or people.is_member_key(key)):
        raise NotAllowed(f"{key} is not among the people of the desk.")
    return Agent(key, person.name if person else key)


async def slack_agent(session: AsyncSession, user: str) -> Agent:
    """Raises NotAllowed for who is not at the desk of the session's tenant."""
    person = (await people.settings(session)).agent_for_slack(user)
    if person is None:
        raise NotAllowed("You are not among the people of the desk. Whoever runs this employee can add you.")
    return Agent(person.key, person.name)


async def hand_off(session: AsyncSession, vault: Vault, conversation_id: UUID, wish: Wish) -> Ownership:
    """The queue gets the conversation. Where people are asked or have it, and in a rehearsal, nothing changes."""
    conversation = await changed(session, conversation_id)
    if conversation.owner != "employee" or conversation.is_rehearsal:
        return _ownership(conversation)
    handoff = await _opened(session, vault, conversation, wish)
    await leaving.leave_employee(session, vault, conversation, handoff, wish.reason)
    _own(conversation, "queue", handoff)
    _record(session, conversation, handoff, "handoff.opened", wish.requested_by, cause=wish.cause, rule=wish.rule)
    return _ownership(conversation)


async def tell(session: AsyncSession, vault: Vault, conversation_id: UUID, wish: Wish) -> UUID | None:
    """People are told, and the employee carries on; once for each rule until it is dealt with. Gives the handoff."""
    conversation = await changed(session, conversation_id)
    known = await session.scalar(
        select(Handoff.id)
        .where(col(Handoff.conversation_id) == conversation_id, col(Handoff.rule) == wish.rule)
        .where(col(Handoff.created_at) >= (conversation.counted_since or conversation.created_at))
    )
    if known is not None or conversation.owner != "employee" or conversation.is_rehearsal:
        return None
    handoff = await _opened(session, vault, conversation, wish, state="told")
    _record(session, conversation, handoff, "handoff.told", wish.requested_by, cause=wish.cause, rule=wish.rule)
    return handoff.id


async def take_over(
    session: AsyncSession, vault: Vault, conversation_id: UUID, by: Agent, *, from_colleague: bool = False
) -> Ownership:
    """An agent takes a conversation that nobody offered; or claims it, where it is offered.

    Raises:
        Conflict: another agent has it.
        NotFound: there is no such conversation.
    """
    conversation = await changed(session, conversation_id)
    if conversation.handoff_id is not None:
        return await claim(session, vault, conversation.handoff_id, by, from_colleague=from_colleague)
    wish = Wish("agent", by.key, f"{by.name} took over.")
    handoff = await _opened(session, vault, conversation, wish)
    return await _claim(session, vault, conversation, handoff, by)


async def claim(
    session: AsyncSession, vault: Vault, handoff_id: UUID, by: Agent, *, from_colleague: bool = False
) -> Ownership:
    """One agent gets what waits, or what people were only told of, or what somebody has who is at the desk no more.
    Claiming what one has changes nothing. ``from_colleague``: even where somebody who is there has it.

    Raises:
        Conflict: it is another agent's, or over.
        NotFound: there is no such handoff.
    """
    conversation, handoff = await locked(session, handoff_id)
    if handoff.state == "owned" and handoff.agent == by.key:
        return _ownership(conversation)
    whose.be_to_be_had(await people.settings(session), handoff, from_colleague=from_colleague)
    if handoff.state == "told" and conversation.handoff_id is not None:
        raise Conflict("This conversation has been handed off since: see its other card.")
    return await _claim(session, vault, conversation, handoff, by)


async def transfer(session: AsyncSession, handoff_id: UUID, by: Agent, to: Agent) -> Ownership:
    """Raises Conflict unless it is ``by`` who has it. Who has it already may be given it again."""
    conversation, handoff = await locked(session, handoff_id)
    if handoff.state == "owned" and handoff.agent == to.key:
        return _ownership(conversation)
    whose.be_theirs(await people.settings(session), handoff, by.key)
    handoff.agent, handoff.claimed_at = to.key, utc_now()
    # As long as nobody else claims it, it was given: whoever has it is told so.
    handoff.progress = handoff.progress | {"given_at": handoff.claimed_at.isoformat()}
    _own(conversation, "agent", handoff)
    _record(session, conversation, handoff, "handoff.transferred", by.key, to=to.key)
    return _ownership(conversation)


async def release(session: AsyncSession, handoff_id: UUID, by: Agent, to: str | None = None) -> Ownership:
    """Back to the queue, where people are asked anew; those of the group ``to``, where one is named. Raises Conflict
    unless it is, or was last, ``by`` who has it."""
    conversation, handoff = await locked(session, handoff_id)
    if handoff.state == "waiting" and handoff.agent == by.key and to in (None, handoff.target):
        return _ownership(conversation)
    whose.be_theirs(await people.settings(session), handoff, by.key)
    # What it numbers goes on, so that nobody takes a new call or mail for one that they have had.
    anew = {"tasks": [], "waiting": {"since": utc_now().isoformat()}}
    handoff.state, handoff.progress = "waiting", handoff.progress | anew
    handoff.target = to or handoff.target
    _own(conversation, "queue", handoff)
    detail = {"to": to} if to else {}
    _record(session, conversation, handoff, "handoff.transferred" if to else "handoff.released", by.key, **detail)
    return _ownership(conversation)


async def resolve(session: AsyncSession, vault: Vault, handoff_id: UUID, by: Agent, note: str = "") -> Ownership:
    """It is dealt with: the employee answers what is said next. Raises Conflict unless it waits or ``by`` has it, or
    has done so before."""
    conversation, handoff = await locked(session, handoff_id)
    if handoff.ended_how == "resolved" and handoff.agent == by.key:
        return _ownership(conversation)
    whose.be_theirs_or_nobodys(await people.settings(session), handoff, by.key)
    handoff.agent = by.key
    words = told.resolved(by.name, note)
    return await _end(session, vault, conversation, handoff, words, how="resolved", by=by.key, at_once=False)


async def hand_back(
    session: AsyncSession, vault: Vault, handoff_id: UUID, by: Agent, note: str = "", *, at_once: bool = False
) -> Ownership:
    """The employee goes on, with all that was said meanwhile; ``at_once`` without waiting for the contact.

    Raises Conflict unless it waits or ``by`` has it, or has done so before.
    """
    conversation, handoff = await locked(session, handoff_id)
    if handoff.ended_how == "handed_back" and handoff.agent == by.key:
        # Where it was to be answered at once and nobody heard of it, a sweep puts the note on its way.
        return _ownership(conversation)
    whose.be_theirs_or_nobodys(await people.settings(session), handoff, by.key)
    handoff.agent = by.key
    words = told.handed_back(by.name, note)
    return await _end(session, vault, conversation, handoff, words, how="handed_back", by=by.key, at_once=at_once)


async def resume(
    session: AsyncSession, vault: Vault, conversation_id: UUID, by: str, note: str = "", *, at_once: bool = False
) -> Ownership:
    """As ``hand_back``, by whoever may speak to the conversation's workflow, and whoever has it. Nothing changes where
    it is the employee's."""
    conversation = await changed(session, conversation_id)
    if conversation.handoff_id is None:
        return _ownership(conversation)
    handoff = await _lock(session, conversation.handoff_id)
    words = told.handed_back("The team", note)
    return await _end(session, vault, conversation, handoff, words, how="handed_back", by=by, at_once=at_once)


async def give_up(session: AsyncSession, vault: Vault, handoff_id: UUID) -> Ownership:
    """Nobody came: the employee goes on at once. Nothing changes where somebody came after all."""
    conversation, handoff = await locked(session, handoff_id)
    if handoff.state != "waiting":
        return _ownership(conversation)
    words = told.nobody_came()
    return await _end(session, vault, conversation, handoff, words, how="nobody_came", by="runtime", at_once=True)


async def get(session: AsyncSession, handoff_id: UUID) -> Handoff:
    """Raises NotFound when the session's tenant has no such handoff."""
    handoff = await session.scalar(select(Handoff).where(col(Handoff.id) == handoff_id))
    if handoff is None:
        raise NotFound("There is no such handoff.")
    return handoff


async def _opened(
    session: AsyncSession, vault: Vault, conversation: Conversation, wish: Wish, state: str = "waiting"
) -> Handoff:
    contact_id = await _whom(session, conversation)
    cipher = await vault.cipher(session, conversation.tenant_id, contact_id)
    handoff = Handoff(
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        contact_id=contact_id,
        state=state,
        target=wish.target,
        priority=wish.priority,
        cause=wish.cause,
        rule=wish.rule,
        requested_by=wish.requested_by[:200],
        sealed_reason=b"",
        began_seq=conversation.last_seq,
        mirrored_seq=max(0, conversation.last_seq - LINES_BEFORE),
    )
    handoff.sealed_reason = cipher.seal(REASON, handoff.id, wish.reason[:2_000])
    session.add(handoff)
    after_commit(session, metrics.HANDOFFS.labels(wish.cause).inc)
    return handoff


async def _whom(session: AsyncSession, conversation: Conversation) -> UUID:
    """The one who wrote last, in a thread of several."""
    last = await session.scalar(
        select(Message.contact_id)
        .where(col(Message.conversation_id) == conversation.id, col(Message.author) == "contact")
        .where(col(Message.state) != "deleted", col(Message.contact_id).is_not(None))
        .order_by(col(Message.seq).desc())
        .limit(1)
    )
    return last or conversation.contact_id


async def _claim(
    session: AsyncSession, vault: Vault, conversation: Conversation, handoff: Handoff, by: Agent
) -> Ownership:
    if conversation.owner == "employee":
        handoff.began_seq = conversation.last_seq
        handoff.mirrored_seq = max(handoff.mirrored_seq, conversation.last_seq - LINES_BEFORE)
        await leaving.leave_employee(session, vault, conversation, handoff, f"{by.name} took over.")
    # Of two people who could both say that they have it, the trail says who had it before.
    had = {"taken_from": handoff.agent} if handoff.state == "owned" and handoff.agent != people.PHONE else {}
    handoff.state, handoff.agent, handoff.claimed_at = "owned", by.key, utc_now()
    handoff.first_claimed_at = handoff.first_claimed_at or handoff.claimed_at
    _own(conversation, "agent", handoff)
    _record(session, conversation, handoff, "handoff.claimed", by.key, **had)
    return _ownership(conversation)


async def _end(
    session: AsyncSession,
    vault: Vault,
    conversation: Conversation,
    handoff: Handoff,
    words: str,
    *,
    how: str,
    by: str,
    at_once: bool,
) -> Ownership:
    handoff.state, handoff.ended_how, handoff.ended_at = "over", how, utc_now()
    handoff.next_due_at = utc_now()
    conversation.owner, conversation.agent, conversation.handoff_id = "employee", None, None
    conversation.epoch += 1
    conversation.counted_since = utc_now()
    note_id = await notices.add_note(
        session,
        vault,
        conversation,
        handoff.contact_id,
        told.ended(words, at_once=at_once),
        external_id=f"handback-{handoff.id}",
        is_to_be_answered=at_once,
    )
    action = "handoff.resolved" if how == "resolved" else "handoff.handed_back"
    _record(session, conversation, handoff, action, by, how=how, at_once=at_once)
    return _ownership(conversation, answer_id=note_id if at_once else None)


def _own(conversation: Conversation, owner: Owner, handoff: Handoff) -> None:
    conversation.owner, conversation.handoff_id = owner, handoff.id
    conversation.agent = handoff.agent if owner == "agent" else None
    conversation.epoch += 1
    # Where its workflow does not hear of it, a sweep finds that people are to be shown something new.
    handoff.next_due_at = utc_now()


def _ownership(conversation: Conversation, answer_id: UUID | None = None) -> Ownership:
    return Ownership(
        conversation.id,
        cast(Owner, conversation.owner),
        conversation.epoch,
        conversation.handoff_id,
        conversation.agent,
        answer_id,
    )


async def locked(session: AsyncSession, handoff_id: UUID) -> tuple[Conversation, Handoff]:
    """The conversation before the rest, as everybody locks them."""
    conversation_id = (await get(session, handoff_id)).conversation_id
    return await changed(session, conversation_id), await _lock(session, handoff_id)


async def _lock(session: AsyncSession, handoff_id: UUID) -> Handoff:
    return (await session.execute(_LOCKED, {"handoff_id": handoff_id})).scalar_one()


async def name(session: AsyncSession, key: str | None) -> str:
    return (await people.settings(session)).name_of(key)


def _record(
    session: AsyncSession, conversation: Conversation, handoff: Handoff, action: str, actor: str, **detail: Any
) -> None:
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        actor=actor,
        action=action,
        subject_id=handoff.contact_id,
        handoff_id=str(handoff.id),
        epoch=conversation.epoch,
        owner=conversation.owner,
        agent=conversation.agent,
        **detail,
    )
