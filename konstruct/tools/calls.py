"""Calls of tools as they are kept: what a step asked for, how far each call came, and what came of it.

A call is ``ready`` (to be made), ``running``, then ``done`` or ``failed``; ``unknown`` when nobody can tell whether it
was made. It is ``waiting`` while a person is asked, then ready after all, ``denied`` or ``expired``. ``invalid``,
``refused`` and ``cancelled`` ones are never made.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import bindparam, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, conversations, messages
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.tables import Approval, Conversation, Step, ToolCall
from konstruct.tables.base import utc_now
from konstruct.tools import asking, results
from konstruct.tools.registry import ATTEMPTS, Tool
from konstruct.tools.schemas import canonical
from konstruct.vault import ContactCipher, Vault

ARGUMENTS: Final = "tool arguments"
RESULT: Final = "tool result"
WHOLE: Final = "whole tool result"
SOURCES: Final = "tool sources"
SAID: Final = "step"
"""What ciphers call the purposes of what is kept of a call."""

OPEN: Final = frozenset({"ready", "running", "waiting"})

WAITING: Final = (
    "Not done yet: a person of the business must say yes first, and was asked. The outcome will come here as a note of"
    " the system. Tell the person you talk with that you asked, and promise nothing."
)
UNKNOWN_TOOL: Final = "unknown"
"""What a call of no tool is called."""
UNKNOWN: Final = (
    "Nobody can tell whether this was done: the answer was lost. Do not do it again. Say so honestly, and offer to have"
    " a person look at it."
)
ASKED: Final = "A person was asked for exactly this already, and has not decided yet."
CANCELLED: Final = "This was stopped before it was done."

_STEPS = select(Step).where(col(Step.turn_id) == bindparam("of_turn")).order_by(col(Step.number))
_CALLS = (
    select(ToolCall)
    .where(col(ToolCall.turn_id) == bindparam("of_turn"))
    .order_by(col(ToolCall.step), col(ToolCall.position))
)
_CALL = select(ToolCall).where(col(ToolCall.id) == bindparam("call_id"))


@dataclass(frozen=True)
class Proposal:
    """What a model wants done, judged. ``told``: what the model hears at once of a call that is not made."""

    model_call_id: str
    name: str
    arguments: str
    """Canonical JSON, or what the model wrote where that is none."""
    state: Literal["ready", "waiting", "invalid", "refused"]
    tool: Tool | None = None
    told: str = ""
    why: str = ""
    """Why a person is asked, where it is not the tool that says so."""


@dataclass(frozen=True)
class ToMake:
    call_id: UUID
    timeout: float
    """Seconds for one attempt."""
    attempts: int


@dataclass(frozen=True)
class Kept:
    """As ``conversations.Finished``, of a step: calls to make, and approvals that people are to be asked for."""

    outcome: Literal["stored", "nothing", "superseded"]
    calls: list[ToMake] = field(default_factory=list)
    approvals: list[UUID] = field(default_factory=list)


@dataclass(frozen=True)
class PastCall:
    """A call of this turn as its model is shown it again."""

    call_id: UUID
    model_call_id: str
    name: str
    arguments: str
    result: str
    state: str
    fingerprint: str
    is_untrusted: bool
    sources: Sequence[Mapping[str, Any]] = ()
    """Passages that it gave, each with number, title, link and text; or a file."""


@dataclass(frozen=True)
class PastStep:
    number: int
    text: str
    after_seq: int
    calls: tuple[PastCall, ...]


@dataclass(frozen=True)
class Begun:
    """A call that is now to be made, opened."""

    call: ToolCall
    cipher: ContactCipher
    arguments: str


@dataclass(frozen=True)
class Outcome:
    """``told`` is the result, or the sentence that says why there is none."""

    state: Literal["done", "failed", "unknown", "cancelled"]
    told: JsonValue
    is_untrusted: bool = False
    sources: Sequence[Mapping[str, Any]] = ()
    """Passages of documents that it gives: number, title, link and text of each; or the file that it made ready."""
    error: str = ""
    """For operators, where what the model is told says less."""


async def stored_step(session: AsyncSession, turn_id: UUID, number: int) -> Kept | None:
    """What an earlier attempt at this step kept; its calls may have been made since, which a repetition finds out."""
    step = await session.scalar(_STEPS.where(col(Step.number) == number), {"of_turn": turn_id})
    if step is None:
        return None
    rows = list(await session.scalars(_CALLS.where(col(ToolCall.step) == number), {"of_turn": turn_id}))
    asked = await session.scalars(select(Approval).where(col(Approval.call_id).in_([row.id for row in rows])))
    # What people are asked about is made by whoever waits for their yes.
    approved = {approval.call_id: approval.id for approval in asked}
    to_do = [row for row in rows if row.state in ("ready", "running") and row.id not in approved]
    return Kept("stored", [to_make(row) for row in to_do], list(approved.values()))


async def of_turn(session: AsyncSession, vault: Vault, turn_id: UUID) -> list[PastStep]:
    """What was done in this turn so far. What an erased contact asked for is left out."""
    steps = list(await session.scalars(_STEPS, {"of_turn": turn_id}))
    if not steps:
        return []
    calls = list(await session.scalars(_CALLS, {"of_turn": turn_id}))
    ciphers = await vault.ciphers(session, {step.contact_id for step in steps})
    return [
        PastStep(
            number=step.number,
            text=cipher.open(SAID, _step_row(step), step.sealed) if step.sealed else "",
            after_seq=step.after_seq,
            calls=tuple(_past(call, cipher) for call in calls if call.step == step.number),
        )
        for step in steps
        if (cipher := ciphers.get(step.contact_id)) is not None
    ]


async def keep_step(
    session: AsyncSession,
    vault: Vault,
    conversation_id: UUID,
    turn_id: UUID,
    number: int,
    *,
    text: str,
    link: str,
    after_seq: int,
    proposals: Sequence[Proposal],
    expires_after: timedelta,
) -> Kept:
    """Keeps what a model wants done, as long as the turn is the conversation's own; of several attempts at one step,
    what the first one kept. ``expires_after``: for how long people may be waited for."""
    conversation = await conversations.lock(session, conversation_id)
    if conversation.turn_id != turn_id:
        return Kept("superseded")
    if (stored := await stored_step(session, turn_id, number)) is not None:
        return stored
    if await messages.stored_reply(session, turn_id):
        # Another attempt, taken for dead or thought to be cancelled, was answered without these calls.
        return Kept("superseded")
    asker = await conversations.asker(session, vault, conversation, turn_id)
    if conversation.owner != "employee" or asker is None:
        return Kept("nothing")
    contact_id, cipher = asker.contact_id, asker.cipher
    step = Step(
        tenant_id=conversation.tenant_id,
        turn_id=turn_id,
        number=number,
        conversation_id=conversation_id,
        contact_id=contact_id,
        after_seq=after_seq,
        link=link,
    )
    step.sealed = cipher.seal(SAID, _step_row(step), text) if text else None
    session.add(step)
    # Its calls refer to it, and no relationship says so.
    await session.flush()
    proposals = await _asked_once(session, conversation_id, cipher, proposals)
    rows = [_row(conversation, cipher, step, position, each) for position, each in enumerate(proposals)]
    session.add_all(rows)
    await session.flush()
    approvals = [
        asking.approval(row, each.tool, expires_after, each.why)
        for row, each in zip(rows, proposals, strict=True)
        if each.state == "waiting" and each.tool is not None
    ]
    session.add_all(approvals)
    for row in rows:
        _record(session, row, "tool.proposed")
    return Kept(
        "stored",
        [to_make(row) for row in rows if row.state == "ready"],
        [each.id for each in approvals],
    )


async def begin(session: AsyncSession, vault: Vault, call_id: UUID) -> Begun | None:
    """Marks a call as being made; None when there is nothing to do any more.

    One that an earlier attempt left ``running`` is made again only where that does no harm; else it is ``unknown``.
    """
    call = await get(session, call_id, lock=True)
    ciphers = await vault.ciphers(session, [call.contact_id])
    if call.state not in ("ready", "running"):
        return None
    cipher = ciphers.get(call.contact_id)
    if cipher is None:
        call.state, call.settled_at = "cancelled", utc_now()
        return None
    if call.state == "running" and not call.detail.get("repeatable"):
        await _settle(session, call, cipher, Outcome("unknown", UNKNOWN))
        return None
    call.state, call.started_at, call.attempts = "running", utc_now(), call.attempts + 1
    return Begun(call, cipher, cipher.open(ARGUMENTS, call.id, call.sealed_arguments))


async def put_back(session: AsyncSession, call_id: UUID) -> None:
    """The attempt certainly did not get there: the call may be made as if for the first time."""
    call = await get(session, call_id, lock=True)
    if call.state == "running":
        call.state = "ready"


async def settle(session: AsyncSession, vault: Vault, call_id: UUID, outcome: Outcome) -> None:
    """The first word on a call stands, but that a result ends uncertainty."""
    call = await get(session, call_id)
    if outcome.is_untrusted:
        # The conversation before the call, as everybody locks them.
        await session.execute(
            update(Conversation)
            .where(col(Conversation.id) == call.conversation_id, col(Conversation.untrusted_at).is_(None))
            .values(untrusted_at=utc_now())
        )
    call = await get(session, call_id, lock=True)
    if call.state not in OPEN and not (call.state == "unknown" and outcome.state == "done"):
        return
    ciphers = await vault.ciphers(session, [call.contact_id])
    await _settle(session, call, ciphers.get(call.contact_id), outcome)


async def get(session: AsyncSession, call_id: UUID, *, lock: bool = False) -> ToolCall:
    """Raises NotFound when the session's tenant has no such call."""
    query = _CALL.with_for_update(key_share=True).execution_options(populate_existing=True) if lock else _CALL
    call = (await session.execute(query, {"call_id": call_id})).scalar_one_or_none()
    if call is None:
        raise NotFound("There is no such call of a tool.")
    return call


async def _settle(session: AsyncSession, call: ToolCall, cipher: ContactCipher | None, outcome: Outcome) -> None:
    call.state, call.settled_at = outcome.state, utc_now()
    call.is_untrusted = outcome.is_untrusted
    if outcome.error:
        call.detail = {**call.detail, "error": outcome.error}
    if cipher is not None:
        shown, whole = results.shown(outcome.told, str(call.id))
        call.sealed_result = cipher.seal(RESULT, call.id, shown)
        call.sealed_whole = cipher.seal(WHOLE, call.id, whole) if whole is not None else None
        sources = json.dumps(outcome.sources)
        call.sealed_sources = cipher.seal(SOURCES, call.id, sources) if outcome.sources else None
    _record(session, call, "tool.called")


async def _asked_once(
    session: AsyncSession, conversation_id: UUID, cipher: ContactCipher, proposals: Sequence[Proposal]
) -> list[Proposal]:
    """Two yeses to what was wanted once would do it twice."""
    if all(each.state != "waiting" for each in proposals):
        return list(proposals)
    asked = await asking.waiting(session, conversation_id)
    return [
        replace(each, state="refused", told=ASKED)
        if each.state == "waiting" and fingerprint(cipher, each.name, each.arguments) in asked
        else each
        for each in proposals
    ]


def _row(conversation: Conversation, cipher: ContactCipher, step: Step, position: int, proposal: Proposal) -> ToolCall:
    call_id, tool = new_id(), proposal.tool
    told = WAITING if proposal.state == "waiting" else proposal.told
    return ToolCall(
        tenant_id=conversation.tenant_id,
        id=call_id,
        conversation_id=conversation.id,
        contact_id=step.contact_id,
        turn_id=step.turn_id,
        step=step.number,
        position=position,
        # A model may write anything there.
        model_call_id=results.as_text(proposal.model_call_id),
        # What a model makes up may be anything, and the trail would keep it for ever.
        tool=proposal.name if tool else UNKNOWN_TOOL,
        tool_id=tool.tool_id if tool else None,
        risk=tool.risk if tool else "harmless",
        sealed_arguments=cipher.seal(ARGUMENTS, call_id, proposal.arguments),
        fingerprint=fingerprint(cipher, proposal.name, proposal.arguments),
        state=proposal.state,
        sealed_result=cipher.seal(RESULT, call_id, told) if told else None,
        detail=_terms(tool) if tool and proposal.state in ("ready", "waiting") else {},
        settled_at=utc_now() if proposal.state in ("invalid", "refused") else None,
    )


def fingerprint(cipher: ContactCipher, name: str, arguments: str) -> str:
    """The same for the same call of the same contact."""
    return cipher.fingerprint(canonical([name, arguments]))


def _terms(tool: Tool) -> dict[str, Any]:
    return {"repeatable": tool.is_repeatable, "timeout": tool.timeout, "digest": tool.digest}


def to_make(call: ToolCall) -> ToMake:
    """How a call that is ready is to be made, as was settled when it was proposed."""
    return ToMake(call.id, float(call.detail["timeout"]), ATTEMPTS)


def _past(call: ToolCall, cipher: ContactCipher) -> PastCall:
    if call.sealed_result is not None:
        result = cipher.open(RESULT, call.id, call.sealed_result)
    else:
        result = CANCELLED if call.state == "cancelled" else UNKNOWN
    return PastCall(
        call_id=call.id,
        model_call_id=call.model_call_id,
        name=call.tool,
        arguments=cipher.open(ARGUMENTS, call.id, call.sealed_arguments),
        result=result,
        state=call.state,
        fingerprint=call.fingerprint,
        is_untrusted=call.is_untrusted,
        sources=json.loads(cipher.open(SOURCES, call.id, call.sealed_sources)) if call.sealed_sources else (),
    )


def _step_row(step: Step) -> UUID:
    """What its text is sealed for: the step has no id of its own, and its turn has several."""
    return UUID(int=step.turn_id.int ^ step.number)


def _record(session: AsyncSession, call: ToolCall, action: str) -> None:
    audit.record(
        session,
        tenant_id=call.tenant_id,
        conversation_id=call.conversation_id,
        actor="employee",
        action=action,
        subject_id=call.contact_id,
        content=call.sealed_arguments if action == "tool.proposed" else call.sealed_result,
        call_id=str(call.id),
        turn_id=str(call.turn_id),
        step=call.step,
        tool=call.tool,
        risk=call.risk,
        state=call.state,
        fingerprint=call.fingerprint,
        attempts=call.attempts,
    )
