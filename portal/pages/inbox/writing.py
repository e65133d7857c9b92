"""What agents write in the open conversation, and have written for them: each once, however often it is sent."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import reply_window, temporal
from konstruct.desk import people
from konstruct.errors import KonstructError, NotFound, Unavailable
from konstruct.handoffs import entries, finding, owning
from konstruct.handoffs.entries import Origin, Written
from konstruct.handoffs.owning import Agent
from konstruct.identity import new_id
from portal.access import Member, may
from portal.pages.inbox import conversation, frame
from portal.pages.inbox.attaching import made_ready
from portal.rendering import Toast, is_htmx, only_toast, redirect
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/inbox/{conversation_id}")

Acting = Annotated[Member, Depends(may("inbox.act"))]
Message = Annotated[UUID | None, Form(description="Of this very form, so that it counts once.")]


@router.post("/reply")
async def reply(
    request: Request,
    member: Acting,
    conversation_id: UUID,
    handoff: Annotated[UUID, Form()],
    text: Annotated[str, Form()] = "",
    message: Message = None,
    files: Annotated[list[UploadFile] | None, File()] = None,
) -> Response:
    """Lines that start with ``//`` stay among people, as a note does. Only who has the conversation is heard."""
    used, origin = services(request), _origin(member, message)

    async def done() -> Toast:
        async with used.database.tenant_session(member.tenant_id) as session:
            agent = await _writer(session, member, handoff, conversation_id)
            split = used.messengers[await finding.channel_kind(session, handoff)].split
        ready = await made_ready(request, member, handoff, agent, files or [], origin)
        async with used.database.tenant_session(member.tenant_id) as session:
            said = await entries.write(session, used.vault, handoff, agent, text, origin, split, ready)
        await _tell(request, member, handoff, said)
        if said.waits:
            return Toast(reply_window.WAITS, "warning")
        return Toast("Sent." if said.message_ids else "Kept as a note: the contact does not see it.")

    return await answered(request, member, conversation_id, done, text)


@router.post("/note")
async def note(
    request: Request,
    member: Acting,
    conversation_id: UUID,
    handoff: Annotated[UUID, Form()],
    text: Annotated[str, Form()] = "",
    message: Message = None,
) -> Response:
    """Stays among people, whoever has the conversation."""
    used = services(request)

    async def done() -> Toast:
        async with used.database.tenant_session(member.tenant_id) as session:
            agent = await _writer(session, member, handoff, conversation_id)
            kept = await entries.note(session, used.vault, handoff, agent, text, _origin(member, message))
        await _tell(request, member, handoff, kept)
        return Toast("The note is kept. The contact does not see it.")

    return await answered(request, member, conversation_id, done, text, is_note=True)


@router.post("/ask")
async def ask(
    request: Request,
    member: Acting,
    conversation_id: UUID,
    handoff: Annotated[UUID, Form()],
    kind: Annotated[Literal["draft", "summary"], Form()],
    message: Message = None,
) -> Response:
    """A draft or a summary that a model is to write; it stands in the pane once it has."""
    used = services(request)

    async def done() -> Toast | None:
        async with used.database.tenant_session(member.tenant_id) as session:
            agent = await _writer(session, member, handoff, conversation_id)
            await entries.ask(session, handoff, agent, kind, _origin(member, message))
        await temporal.mention_handoff(await used.temporal(), member.tenant_id, handoff)
        return None

    return await answered(request, member, conversation_id, done)


async def answered(
    request: Request,
    member: Member,
    conversation_id: UUID,
    do: Callable[[], Awaitable[Toast | None]],
    text: str = "",
    *,
    is_note: bool = False,
) -> Response:
    """Does it, and goes on to the conversation as it is then. What is refused is said there, with what was written.

    A script asks for no page: it takes the conversation anew by itself, and keeps what was written until it is done.
    """
    try:
        toast = await do()
    except KonstructError as error:
        if is_htmx(request) and isinstance(error, Unavailable):
            # Whether it was done is what the script finds out next.
            return only_toast(Toast(str(error), "warning"), error.status)
        if is_htmx(request) or error.status in (403, 404):
            raise
        refused = conversation.refuse(request, error, text, is_note=is_note)
        page = await frame.opened(request, member, conversation_id)
        page.status_code = refused.status
        return page
    if is_htmx(request):
        return only_toast(toast) if toast is not None else Response(status_code=204)
    return redirect(request, f"/t/{member.tenant_slug}/inbox/{conversation_id}", toast=toast)


async def be_of(session: AsyncSession, handoff_id: UUID, conversation_id: UUID) -> None:
    """Raises NotFound unless it is one of this conversation."""
    if (await owning.get(session, handoff_id)).conversation_id != conversation_id:
        raise NotFound("This conversation has no such handoff.")


async def _writer(session: AsyncSession, member: Member, handoff_id: UUID, conversation_id: UUID) -> Agent:
    await be_of(session, handoff_id, conversation_id)
    return await owning.agent(session, await people.agent_key(session, member.user_id, member.email))


def _origin(member: Member, message: UUID | None) -> Origin:
    return Origin("portal", f"{member.user_id}:{message or new_id()}")


async def _tell(request: Request, member: Member, handoff_id: UUID, written: Written) -> None:
    """What lies in the database is on its way; where Temporal is away, a sweep sends it later."""
    client = await services(request).temporal()
    await temporal.send(client, member.tenant_id, written.conversation_id, written.message_ids)
    await temporal.mention_handoff(client, member.tenant_id, handoff_id)
