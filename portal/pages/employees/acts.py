"""What is done with an employee as a whole, each by one button: copies, archive, drafts taken back, channels."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct.designs import archiving, drafting, serving
from konstruct.designs.drafting import Overtaken
from konstruct.errors import BadInput, Conflict, NotFound
from portal.access import Member, may
from portal.rendering import Toast, redirect
from portal.services import services

router = APIRouter()

Editor = Annotated[Member, Depends(may("employees.edit"))]


async def _done(
    request: Request,
    member: Member,
    key: str,
    act: Callable[[AsyncSession], Awaitable[object]],
    toast: Toast,
    anchor: str = "",
) -> Response:
    """Back on the designer, which says what was done, or why it was not. Raises NotFound where there is no such one."""
    said, database = toast, services(request).database
    async with database.tenant_session(member.tenant_id) as session:
        await drafting.read(session, key)
    try:
        async with database.tenant_session(member.tenant_id) as session:
            if isinstance(await act(session), Overtaken):
                said = Toast(
                    "Somebody saved the draft since you looked, so nothing was changed. Look again.", "warning"
                )
    except (BadInput, Conflict, NotFound) as error:
        said = Toast(str(error), "warning")
    return redirect(request, f"/t/{member.tenant_slug}/employees/{key}{anchor}", toast=said)


@router.post("/t/{tenant}/employees/{key}/discard")
async def discard(request: Request, key: str, member: Editor, revision: Annotated[int, Form()]) -> Response:
    undo = f"/t/{member.tenant_slug}/employees/{key}/bring-back"
    return await _done(
        request,
        member,
        key,
        lambda session: drafting.discard(session, key, revision=revision, actor=member.actor),
        Toast("The draft is discarded.", undo=undo),
    )


@router.post("/t/{tenant}/employees/{key}/bring-back")
async def bring_back(request: Request, key: str, member: Editor) -> Response:
    """As the button Undo does, which knows no revision: nothing was saved since, or there is nothing to bring back."""

    async def act(session: AsyncSession) -> object:
        revision = (await drafting.read(session, key)).revision
        return await drafting.bring_back(session, key, revision=revision, actor=member.actor)

    return await _done(request, member, key, act, Toast("The draft is back."))


@router.post("/t/{tenant}/employees/{key}/take-in")
async def take_in(request: Request, key: str, member: Editor, revision: Annotated[int, Form()]) -> Response:
    return await _done(
        request,
        member,
        key,
        lambda session: drafting.take_in(session, key, revision=revision, actor=member.actor),
        Toast("The draft has what was published meanwhile, and its own changes."),
    )


@router.post("/t/{tenant}/employees/{key}/duplicate")
async def duplicate(request: Request, key: str, member: Editor) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            copy = await drafting.duplicate(session, key, actor=member.actor)
    except (BadInput, Conflict) as error:
        return redirect(request, f"/t/{member.tenant_slug}/employees/{key}", toast=Toast(str(error), "warning"))
    toast = Toast("This is the copy. It is a draft until you publish it.")
    return redirect(request, f"/t/{member.tenant_slug}/employees/{copy.key}", toast=toast)


@router.post("/t/{tenant}/employees/{key}/archive")
async def archive(request: Request, key: str, member: Editor) -> Response:
    undo = f"/t/{member.tenant_slug}/employees/{key}/unarchive"
    return await _done(
        request,
        member,
        key,
        lambda session: archiving.archive(session, key, actor=member.actor),
        Toast("It is archived, and takes no new conversations.", undo=undo),
    )


@router.post("/t/{tenant}/employees/{key}/unarchive")
async def unarchive(request: Request, key: str, member: Editor) -> Response:
    return await _done(
        request,
        member,
        key,
        lambda session: archiving.restore(session, key, actor=member.actor),
        Toast("It is back, and can serve channels again."),
    )


@router.post("/t/{tenant}/employees/{key}/serve")
async def serve(
    request: Request,
    key: str,
    member: Annotated[Member, Depends(may("channels.edit"))],
    connection: Annotated[str, Form()],
    channel: Annotated[str, Form()] = "",
) -> Response:
    """All of a connection, or one channel of it."""

    async def act(session: AsyncSession) -> None:
        if channel.strip():
            await serving.bind(session, key, connection, channel.strip(), actor=member.actor)
        else:
            await serving.serve(session, key, connection, actor=member.actor)

    return await _done(request, member, key, act, Toast("New conversations there are answered by it."), "#channels")


@router.post("/t/{tenant}/employees/{key}/unserve")
async def unserve(
    request: Request,
    key: str,
    member: Annotated[Member, Depends(may("channels.edit"))],
    connection: Annotated[str, Form()],
    channel: Annotated[str, Form()],
) -> Response:
    given = urlencode({"connection": connection, "channel": channel})
    undo = f"/t/{member.tenant_slug}/employees/{key}/serve?{given}"
    return await _done(
        request,
        member,
        key,
        lambda session: serving.unbind(session, key, connection, channel, actor=member.actor),
        Toast(f"{channel} is answered as the rest of its workspace is.", undo=undo),
        "#channels",
    )
