"""Checking that the trail is as it was written: begun by a button, carried out by a worker, kept with its outcome."""

from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import temporal
from konstruct.audit import checks
from konstruct.errors import Conflict, NotFound, Unavailable
from portal import audit_words
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/audit/checks")
log = structlog.get_logger(__name__)

Reader = Annotated[Member, Depends(may("audit.read"))]
_AWAY = "It could not begin: the part that carries it out does not answer. Check again."


@router.get("")
async def show(request: Request, member: Reader) -> Response:
    return await _page(request, member)


@router.post("")
async def begin(request: Request, member: Reader, conversation: Annotated[str, Form()] = "") -> Response:
    at = f"/t/{member.tenant_slug}/audit/checks"
    try:
        chain_id = UUID(conversation.strip()) if conversation.strip() else None
    except ValueError:
        sentence = "Enter the id of a conversation, as it stands in the address of its page."
        return await _page(request, member, 422, errors={"conversation": sentence}, typed=conversation)
    database = services(request).database
    try:
        async with database.tenant_session(member.tenant_id) as session:
            check_id = await checks.ask(session, member.tenant_id, chain_id, actor=member.actor)
    except NotFound as error:
        return await _page(request, member, 422, errors={"conversation": str(error)}, typed=conversation)
    except Conflict as error:
        return redirect(request, at, toast=Toast(str(error), "info"))
    try:
        await temporal.start_check(await services(request).temporal(), member.tenant_id, check_id)
    except Unavailable as error:
        log.warning("check_not_begun", check_id=str(check_id), error=str(error))
        async with database.tenant_session(member.tenant_id) as session:
            await checks.give_up(session, check_id, _AWAY)
    return redirect(request, at)


@router.get("/progress")
async def progress(request: Request, member: Reader) -> Response:
    """The part of the page that says how far it is, and what came of it."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        return render(request, "pages/audit/checked.html", **await _latest(session))


async def _latest(session: AsyncSession) -> dict[str, Any]:
    found = await checks.listing(session)
    return {"checked": found, "latest": found[0] if found else None, "names": await audit_words.names(session)}


async def _page(
    request: Request,
    member: Member,
    status: int = 200,
    *,
    errors: dict[str, str] | None = None,
    typed: str = "",
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        context = await _latest(session)
    return render(request, "pages/audit/checks.html", status, errors=errors or {}, typed=typed, **context)
