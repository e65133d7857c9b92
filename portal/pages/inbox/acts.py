"""What agents do with the open conversation: each is judged by its workflow, and done when it is answered."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct import temporal
from konstruct.contracts.handoffs import Action, AgentAct
from konstruct.desk import people
from konstruct.errors import BadInput, NotAllowed
from konstruct.handoffs import entries, finding, owning
from konstruct.handoffs.entries import Origin
from konstruct.identity import new_id
from portal.access import Member, may
from portal.pages.inbox import writing
from portal.rendering import Toast
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/inbox/{conversation_id}")

Acting = Annotated[Member, Depends(may("inbox.act"))]
HandoffId = Annotated[UUID, Form()]
LONGEST_NOTE: Final = 4_000


@router.post("/take-over")
async def take_over(
    request: Request,
    member: Acting,
    conversation_id: UUID,
    from_colleague: Annotated[bool, Form()] = False,
) -> Response:
    """Also of what nobody offered. From a colleague who is there it is taken by those alone who manage the inbox."""

    async def done() -> Toast:
        if from_colleague and not member.may("inbox.manage"):
            raise NotAllowed("Only owners and admins take a conversation over from a colleague.")
        await _act(request, member, conversation_id, "claim", from_colleague=from_colleague)
        return Toast("It is yours. What you write goes to the contact.")

    return await writing.answered(request, member, conversation_id, done)


@router.post("/release")
async def release(request: Request, member: Acting, conversation_id: UUID, handoff: HandoffId) -> Response:
    async def done() -> Toast:
        await _act(request, member, conversation_id, "release", handoff_id=handoff)
        return Toast("It is back in the queue.")

    return await writing.answered(request, member, conversation_id, done)


@router.post("/transfer")
async def transfer(
    request: Request, member: Acting, conversation_id: UUID, handoff: HandoffId, to: Annotated[str, Form()] = ""
) -> Response:
    async def done() -> Toast:
        if not to:
            raise BadInput("Say to whom it is given.")
        await _act(request, member, conversation_id, "transfer", handoff_id=handoff, to=to)
        async with services(request).database.tenant_session(member.tenant_id) as session:
            desk = await people.settings(session)
        is_group = any(group.key == to for group in desk.groups)
        return Toast(f"It waits for the group {to}." if is_group else f"{desk.name_of(to)} has it now.")

    return await writing.answered(request, member, conversation_id, done)


@router.post("/resolve")
async def resolve(
    request: Request,
    member: Acting,
    conversation_id: UUID,
    handoff: HandoffId,
    note: Annotated[str, Form()] = "",
    message: Annotated[UUID | None, Form()] = None,
) -> Response:
    async def done() -> Toast:
        note_id = await _note(request, member, conversation_id, handoff, note, message)
        await _act(request, member, conversation_id, "resolve", handoff_id=handoff, note_id=note_id)
        return Toast("Resolved. The employee answers what is said next.")

    return await writing.answered(request, member, conversation_id, done)


@router.post("/hand-back")
async def hand_back(
    request: Request,
    member: Acting,
    conversation_id: UUID,
    handoff: HandoffId,
    note: Annotated[str, Form()] = "",
    at_once: Annotated[bool, Form()] = False,
    message: Annotated[UUID | None, Form()] = None,
) -> Response:
    async def done() -> Toast:
        note_id = await _note(request, member, conversation_id, handoff, note, message)
        await _act(
            *(request, member, conversation_id, "hand_back"), handoff_id=handoff, note_id=note_id, at_once=at_once
        )
        return Toast("Handed back. The employee writes now." if at_once else "Handed back to the employee.")

    return await writing.answered(request, member, conversation_id, done)


async def _act(
    request: Request,
    member: Member,
    conversation_id: UUID,
    action: Action,
    *,
    handoff_id: UUID | None = None,
    to: str | None = None,
    note_id: UUID | None = None,
    at_once: bool = False,
    from_colleague: bool = False,
) -> None:
    used = services(request)
    async with used.database.tenant_session(member.tenant_id) as session:
        # Where there is no such conversation, no workflow is started for it.
        await finding.be_there(session, conversation_id)
        by = await people.agent_key(session, member.user_id, member.email)
    act = AgentAct(by, handoff_id, to, note_id, at_once, from_colleague)
    await temporal.act(await used.temporal(), member.tenant_id, conversation_id, action, act)


async def _note(
    request: Request, member: Member, conversation_id: UUID, handoff_id: UUID, text: str, message: UUID | None
) -> UUID | None:
    """For the employee, kept once for each form; only its id travels."""
    if not text.strip():
        return None
    if len(text) > LONGEST_NOTE:
        raise BadInput(f"The note is too long: at most {LONGEST_NOTE:,} characters.")
    used = services(request)
    async with used.database.tenant_session(member.tenant_id) as session:
        await writing.be_of(session, handoff_id, conversation_id)
        agent = await owning.agent(session, await people.agent_key(session, member.user_id, member.email))
        origin = Origin("portal", f"{member.user_id}:{message or new_id()}")
        [entry_id] = (await entries.note(session, used.vault, handoff_id, agent, text, origin)).entry_ids
    return entry_id
