"""Erasing a person: what goes and what stays, the question, and how far it is."""

from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct import contact_book, erasing, temporal
from konstruct.errors import NotFound, Unavailable
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/contacts/{contact_id}")
log = structlog.get_logger(__name__)

Eraser = Annotated[Member, Depends(may("contacts.erase"))]


@router.get("/erase")
async def ask(request: Request, member: Eraser, contact_id: UUID) -> Response:
    return await _question(request, member, contact_id)


@router.post("/erase")
async def begin(
    request: Request, member: Eraser, contact_id: UUID, confirmation: Annotated[str, Form()] = ""
) -> Response:
    vault = services(request).vault
    async with services(request).database.tenant_session(member.tenant_id) as session:
        entry = await contact_book.entry(session, vault, contact_id)
        is_confirmed = confirmation.strip() == entry.external_id
        if is_confirmed:
            erasure_id = await erasing.ask(session, member.tenant_id, contact_id, actor=member.actor)
    if not is_confirmed:
        return await _question(request, member, contact_id, wrong=f"Type {entry.external_id} to go on.")
    return await _started(request, member, contact_id, erasure_id)


@router.post("/erasure")
async def go_on(request: Request, member: Eraser, contact_id: UUID) -> Response:
    """With one that was cut off, or never begun."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        erasure = await erasing.latest(session, contact_id)
    if erasure is None:
        raise NotFound("Nobody asked for this contact to be erased.")
    return await _started(request, member, contact_id, erasure.id)


@router.get("/erasure")
async def progress(
    request: Request, member: Annotated[Member, Depends(may("contacts.read"))], contact_id: UUID
) -> Response:
    """The part of the contact's page that says how far it is."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        erasure = await erasing.latest(session, contact_id)
    if erasure is None:
        raise NotFound("Nobody asked for this contact to be erased.")
    if erasure.ended_at is not None:
        # What else is on the page tells of somebody who is gone.
        return redirect(request, f"/t/{member.tenant_slug}/contacts/{contact_id}")
    return render(request, "pages/contacts/erasure.html", erasure=erasure, contact_id=contact_id)


async def _started(request: Request, member: Member, contact_id: UUID, erasure_id: UUID) -> Response:
    at = f"/t/{member.tenant_slug}/contacts/{contact_id}"
    try:
        await temporal.start_erasure(await services(request).temporal(), member.tenant_id, erasure_id)
    except Unavailable as error:
        log.warning("erasure_waits", erasure_id=str(erasure_id), error=str(error))
        return redirect(request, at, toast=Toast("It is noted, but cannot begin right now. Go on later.", "warning"))
    return redirect(request, at, toast=Toast("The contact is being erased.", "info"))


async def _question(request: Request, member: Member, contact_id: UUID, *, wrong: str | None = None) -> Response:
    vault = services(request).vault
    async with services(request).database.tenant_session(member.tenant_id) as session:
        entry = await contact_book.entry(session, vault, contact_id)
        if entry.erased_at is not None:
            raise NotFound("This contact was erased.")
        gone = await contact_book.preview(session, vault, contact_id)
    return render(request, "pages/contacts/erase.html", 422 if wrong else 200, entry=entry, gone=gone, wrong=wrong)
