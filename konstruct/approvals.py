"""Approvals: a person's yes or no to one call of a tool, bound to what was shown, and the word that goes back."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast
from uuid import UUID

from sqlalchemy import bindparam, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, conversations, employees, notices
from konstruct.accounts import permissions
from konstruct.db import Database
from konstruct.desk import people
from konstruct.errors import Conflict, NotFound
from konstruct.tables import (
    Approval,
    Contact,
    Conversation,
    Employee,
    EmployeeVersion,
    Message,
    Rehearsal,
    Tenant,
    ToolCall,
)
from konstruct.tables.base import utc_now
from konstruct.tools import calls, results
from konstruct.tools.builtin import SEND_REPLY
from konstruct.vault import ContactCipher, Vault

EXPIRES_AFTER: Final = timedelta(days=3)
"""For how long people are waited for where the tenant says nothing."""
NOTE: Final = "approval note"
"""What ciphers call the purpose of what somebody said to a decision."""
RELEASED: Final = (
    "A person said yes to an answer of yours that was held back. It is sent now, word for word and before what you"
    " write: do not repeat it. The answer: "
)
LONGEST_NOTE: Final = 1_000
LONGEST_ARGUMENTS_TOLD: Final = 4_000

State = Literal["waiting", "approved", "denied", "expired"]

_ASKED = (
    select(Approval, ToolCall)
    .add_columns(employees.NAME, col(Conversation.is_rehearsal))
    .join(ToolCall, col(ToolCall.id) == col(Approval.call_id))
    .join(Contact, col(Contact.id) == col(Approval.contact_id))
    .join(Conversation, col(Conversation.id) == col(Approval.conversation_id))
    .join(Employee, col(Employee.id) == col(Conversation.employee_id))
    .outerjoin(EmployeeVersion, employees.IS_PUBLISHED)
    .outerjoin(Rehearsal, employees.IS_REHEARSED)
    .where(col(Contact.erased_at).is_(None))
)
_RELEASED = (
    select(ToolCall)
    .join(Approval, col(Approval.call_id) == col(ToolCall.id))
    .join(Message, col(Message.external_id) == func.concat("approval-", col(Approval.id)))
    .where(col(ToolCall.tool) == SEND_REPLY, col(ToolCall.tool_id).is_(None), col(ToolCall.state) == "done")
    .where(col(Message.turn_id) == bindparam("of_turn"), col(Message.state) == "taken", col(Message.author) == "system")
    .order_by(col(Message.seq))
)
_LOCKED = (
    select(Approval)
    .where(col(Approval.id) == bindparam("approval_id"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


@dataclass(frozen=True)
class ApprovalSettings:
    """``deciders``: users of the connection's channel who may say yes or no there."""

    connection_key: str | None = None
    channel: str | None = None
    deciders: tuple[str, ...] = ()
    expires_after: timedelta = EXPIRES_AFTER


@dataclass(frozen=True)
class Asked:
    """An approval as people are shown it, opened."""

    tenant_id: UUID
    approval_id: UUID
    conversation_id: UUID
    call_id: UUID
    employee: str
    tool: str
    risk: str
    reason: str
    arguments: str = field(repr=False)
    """All of them, as indented JSON."""
    fingerprint: str
    """Of exactly these; a decision names it."""
    state: State
    decided_by: str | None
    decided_at: datetime | None
    note: str = field(repr=False)
    expires_at: datetime
    created_at: datetime
    call_state: str
    """What became of the call itself: see ``konstruct.tools.calls``."""
    cards: list[dict[str, Any]]
    is_rehearsal: bool = False
    """Whether it is decided where it is rehearsed, and nobody else is to be asked."""


async def settings(session: AsyncSession) -> ApprovalSettings:
    """Of the session's tenant."""
    kept = (await session.execute(select(col(Tenant.approvals)))).scalar_one()
    seconds = kept.get("expires_after_seconds")
    return ApprovalSettings(
        connection_key=kept.get("connection"),
        channel=kept.get("channel"),
        deciders=tuple(kept.get("deciders", ())),
        expires_after=timedelta(seconds=seconds) if seconds else EXPIRES_AFTER,
    )


async def read(session: AsyncSession, vault: Vault, approval_id: UUID) -> Asked:
    """Raises NotFound when the session's tenant has no such approval, or its contact was erased."""
    row = (await session.execute(_ASKED.where(col(Approval.id) == approval_id))).one_or_none()
    opened = await _opened(session, vault, [row] if row else [])
    if not opened:
        raise NotFound("There is no such approval.")
    return opened[0]


async def listing(
    session: AsyncSession,
    vault: Vault,
    *,
    state: str | None = None,
    is_settled: bool = False,
    employee_id: UUID | None = None,
    limit: int = 50,
    before: UUID | None = None,
) -> list[Asked]:
    """Newest first; those whose contact was erased are left out, and those of rehearsals, which are decided there.
    ``before``: the last one of the page before. ``is_settled``: only what nobody is waited for any more."""
    query = _ASKED.where(~col(Conversation.is_rehearsal)).order_by(col(Approval.id).desc()).limit(limit)
    query = query.where(col(Approval.state) == state) if state is not None else query
    query = query.where(col(Approval.state) != "waiting") if is_settled else query
    query = query.where(col(Conversation.employee_id) == employee_id) if employee_id is not None else query
    query = query.where(col(Approval.id) < before) if before is not None else query
    return await _opened(session, vault, (await session.execute(query)).all())


async def waiting(session: AsyncSession, vault: Vault, limit: int = 50) -> list[Asked]:
    """What somebody can still decide, in the order in which it was asked."""
    query = (
        _ASKED.where(~col(Conversation.is_rehearsal))
        .where(col(Approval.state) == "waiting", col(Approval.expires_at) > utc_now())
        .order_by(col(Approval.created_at), col(Approval.id))
        .limit(limit)
    )
    return await _opened(session, vault, (await session.execute(query)).all())


async def count_waiting(session: AsyncSession) -> int:
    counted: int = (
        await session.execute(
            select(func.count())
            .select_from(Approval)
            .join(Conversation, col(Conversation.id) == col(Approval.conversation_id))
            .where(col(Approval.state) == "waiting", col(Approval.expires_at) > utc_now())
            .where(~col(Conversation.is_rehearsal))
        )
    ).scalar_one()
    return counted


async def may_decide(session: AsyncSession, *, role: str, email: str) -> bool:
    """Whether a member of the team may decide in the portal. Where the tenant names who decides in Slack, an agent must
    be among them, as the person of the desk who has their address; whoever may change those names decides anyway."""
    if not permissions.allows(role, "approvals.decide"):
        return False
    deciders = (await settings(session)).deciders
    if permissions.allows(role, "settings.edit") or not deciders:
        return True
    at_desk = (await people.settings(session)).people
    return any(
        person.slack in deciders
        for person in at_desk
        if person.slack and person.email and person.email.casefold() == email.casefold()
    )


async def decide(
    session: AsyncSession,
    vault: Vault,
    approval_id: UUID,
    *,
    is_yes: bool,
    fingerprint: str,
    by: str,
    note: str = "",
) -> Asked:
    """Takes the first decision on what ``fingerprint`` names; ``by`` is who it was.

    Raises:
        NotFound: there is no such approval.
        Conflict: it was decided before, has expired, or the fingerprint is of something else.
    """
    asked = await read(session, vault, approval_id)
    approval = await _lock(session, approval_id)
    if approval.state in ("approved", "denied"):
        raise Conflict(f"It was {approval.state} by {approval.decided_by} already.")
    if approval.state == "expired" or approval.expires_at <= utc_now():
        raise Conflict("It has expired: nobody had decided in time.")
    if fingerprint != approval.fingerprint:
        raise Conflict("This decision is about something else than what is asked; look at it again.")
    approval.state = "approved" if is_yes else "denied"
    approval.decided_by, approval.decided_at = by[:200], utc_now()
    if note:
        cipher = (await vault.ciphers(session, [approval.contact_id]))[approval.contact_id]
        approval.sealed_note = cipher.seal(NOTE, approval.id, note[:LONGEST_NOTE])
    await _release(session, approval, "ready" if is_yes else "denied")
    _record(session, approval, f"approval.{approval.state}", actor=approval.decided_by or by)
    return await read(session, vault, asked.approval_id)


async def settle(session: AsyncSession, approval_id: UUID) -> State:
    """How it stands; what nobody decided in time has now expired."""
    approval = await _lock(session, approval_id)
    if approval.state == "waiting" and approval.expires_at <= utc_now():
        approval.state = "expired"
        await _release(session, approval, "expired")
        _record(session, approval, "approval.expired")
    return cast(State, approval.state)


async def announced(session: AsyncSession, approval_id: UUID, card: dict[str, Any] | None) -> None:
    """People were told, on this card if there is one."""
    approval = await _lock(session, approval_id)
    approval.announced_at = utc_now()
    approval.cards = [*approval.cards, card] if card else approval.cards
    _record(session, approval, "approval.asked", card=card or {})


async def report(session: AsyncSession, vault: Vault, approval_id: UUID) -> UUID | None:
    """Tells the conversation what came of it, once: the note that its employee answers. None for an erased contact, and
    where the one who wanted it stopped it."""
    place = await get(session, approval_id)
    # The conversation before the rest, as everybody locks them.
    conversation = await conversations.changed(session, place.conversation_id)
    approval = await _lock(session, approval_id)
    call = await calls.get(session, approval.call_id)
    ciphers = await vault.ciphers(session, [approval.contact_id])
    cipher = ciphers.get(approval.contact_id)
    if cipher is None or call.state == "cancelled":
        approval.reported_at = approval.reported_at or utc_now()
        return None
    if approval.reported_at is None:
        approval.reported_at = utc_now()
        if call.is_untrusted and conversation.untrusted_at is None:
            conversation.untrusted_at = utc_now()
    told = _told(approval, call, cipher)
    return await notices.add_note(
        session, vault, conversation, approval.contact_id, told, external_id=f"approval-{approval.id}"
    )


async def released_answers(session: AsyncSession, vault: Vault, turn_id: UUID) -> list[str]:
    """Answers that were held back, in the turn that the note of a person's yes to them began: now they are sent."""
    found = list(await session.scalars(_RELEASED, {"of_turn": turn_id}))
    ciphers = await vault.ciphers(session, {call.contact_id for call in found})
    return [
        json.loads(cipher.open(calls.ARGUMENTS, call.id, call.sealed_arguments))["text"]
        for call in found
        if (cipher := ciphers.get(call.contact_id)) is not None
    ]


@dataclass(frozen=True)
class Unsettled:
    tenant_id: UUID
    approval_id: UUID


async def unsettled(database: Database, at_most: int) -> list[Unsettled]:
    """Approvals of all tenants that have waited longer for their workflow than it takes to tell it."""
    async with database.system_session() as session:
        rows = await session.execute(text("select * from approvals_unsettled(:at_most)"), {"at_most": at_most})
        return [Unsettled(row.tenant_id, row.approval_id) for row in rows]


async def note_swept(session: AsyncSession, approval_id: UUID) -> None:
    (await _lock(session, approval_id)).swept_at = utc_now()


async def get(session: AsyncSession, approval_id: UUID) -> Approval:
    """Raises NotFound when the session's tenant has no such approval."""
    approval = await session.scalar(select(Approval).where(col(Approval.id) == approval_id))
    if approval is None:
        raise NotFound("There is no such approval.")
    return approval


async def _lock(session: AsyncSession, approval_id: UUID) -> Approval:
    approval = (await session.execute(_LOCKED, {"approval_id": approval_id})).scalar_one_or_none()
    if approval is None:
        raise NotFound("There is no such approval.")
    return approval


async def _release(session: AsyncSession, approval: Approval, state: str) -> None:
    call = await calls.get(session, approval.call_id, lock=True)
    if call.state == "waiting":
        call.state = state
        call.settled_at = None if state == "ready" else utc_now()


async def _opened(session: AsyncSession, vault: Vault, rows: Any) -> list[Asked]:
    ciphers = await vault.ciphers(session, {approval.contact_id for approval, *_ in rows})
    return [
        replace(_shown(approval, call, employee, ciphers[approval.contact_id]), is_rehearsal=is_rehearsal)
        for approval, call, employee, is_rehearsal in rows
        if approval.contact_id in ciphers
    ]


def _shown(approval: Approval, call: ToolCall, employee: str, cipher: ContactCipher) -> Asked:
    arguments = json.loads(cipher.open(calls.ARGUMENTS, call.id, call.sealed_arguments))
    return Asked(
        tenant_id=approval.tenant_id,
        approval_id=approval.id,
        conversation_id=approval.conversation_id,
        call_id=call.id,
        employee=employee,
        tool=approval.tool,
        risk=approval.risk,
        reason=approval.reason,
        arguments=json.dumps(arguments, indent=2, ensure_ascii=False),
        fingerprint=approval.fingerprint,
        state=cast(State, approval.state),
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
        note=cipher.open(NOTE, approval.id, approval.sealed_note) if approval.sealed_note else "",
        expires_at=approval.expires_at,
        created_at=approval.created_at,
        call_state=call.state,
        cards=approval.cards,
    )


def _told(approval: Approval, call: ToolCall, cipher: ContactCipher) -> str:
    arguments = cipher.open(calls.ARGUMENTS, call.id, call.sealed_arguments)
    if call.tool == SEND_REPLY and call.state == "done":
        return f"{RELEASED}{json.loads(arguments)['text'][:LONGEST_ARGUMENTS_TOLD]}"
    asked = f"{call.tool} with {arguments[:LONGEST_ARGUMENTS_TOLD]}"
    parts = [f"The yes of a person was asked for: {asked}."]
    if approval.state == "expired":
        parts.append("Nobody decided in time, so it was not done.")
    elif approval.state == "denied":
        parts.append("A person said no, so it was not done.")
    else:
        parts.append("A person said yes.")
        parts.append({"done": "It was done.", "unknown": calls.UNKNOWN}.get(call.state, "It was tried and failed."))
    if approval.sealed_note:
        parts.append(f"The person's note: {cipher.open(NOTE, approval.id, approval.sealed_note)}")
    if approval.state == "approved" and call.state in ("done", "failed") and call.sealed_result is not None:
        result = cipher.open(calls.RESULT, call.id, call.sealed_result)
        parts.append(results.as_data(result, call.tool, call.fingerprint))
    return "\n".join([*parts, "Tell the person you talk with, in their language."])


def _record(session: AsyncSession, approval: Approval, action: str, *, actor: str = "runtime", **detail: Any) -> None:
    audit.record(
        session,
        tenant_id=approval.tenant_id,
        conversation_id=approval.conversation_id,
        actor=actor,
        action=action,
        subject_id=approval.contact_id,
        approval_id=str(approval.id),
        call_id=str(approval.call_id),
        tool=approval.tool,
        fingerprint=approval.fingerprint,
        **detail,
    )
