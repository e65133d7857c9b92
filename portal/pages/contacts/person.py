"""One contact: who they are, what is remembered, and what of it is to be forgotten; whether they may be written to; and
all that is held of them, to be handed out."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct import consent, contact_book, contacts, disclosing, erasing
from konstruct.errors import BadInput
from portal import audit_words, channel_words
from portal.access import Member, may
from portal.downloads import download
from portal.pages.contacts.listing import titles
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/contacts/{contact_id}")

Reader = Annotated[Member, Depends(may("contacts.read"))]
Editor = Annotated[Member, Depends(may("contacts.edit"))]
LONGEST_REASON: Final = 300


@router.get("")
async def show(request: Request, member: Reader, contact_id: UUID) -> Response:
    return await _page(request, member, contact_id)


@router.post("/forget")
async def forget(
    request: Request, member: Editor, contact_id: UUID, fact: Annotated[UUID | None, Form()] = None
) -> Response:
    """One fact, or everything where none is named."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        which = None if fact is None else [fact]
        forgotten = await contacts.forget(session, member.tenant_id, contact_id, which, actor=member.actor)
    if forgotten:
        text = f"Forgotten: what was learned from {forgotten} message{'' if forgotten == 1 else 's'}."
    else:
        text = "That was forgotten already."
    return redirect(request, _at(member, contact_id), toast=Toast(text, "success" if forgotten else "info"))


@router.post("/consent")
async def change_consent(
    request: Request,
    member: Editor,
    contact_id: UUID,
    wish: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Said for somebody who said so elsewhere, on the telephone perhaps; so with where that was."""
    reason = reason.strip()
    if wish not in ("out", "in"):
        raise BadInput("Say whether they may be written to.")
    if not 0 < len(reason) <= LONGEST_REASON:
        sentence = f"Say in at most {LONGEST_REASON} characters how you know. It stays in the audit trail."
        return await _page(request, member, contact_id, 422, errors={"reason": sentence}, typed=reason)
    vault = services(request).vault
    async with services(request).database.tenant_session(member.tenant_id) as session:
        is_changed = await consent.state_wish(
            session, vault, contact_id, is_out=wish == "out", by=member.actor, reason=reason
        )
    said = "Nothing is sent to them any more." if wish == "out" else "They may be written to again."
    toast = Toast(said if is_changed else "It is so already.", "success" if is_changed else "info")
    return redirect(request, _at(member, contact_id), toast=toast)


@router.post("/export")
async def export(request: Request, member: Editor, contact_id: UUID) -> Response:
    """A POST, though it only reads: that it was handed out is noted."""
    of = services(request)
    pieces = disclosing.export(of.database, of.vault, member.tenant_id, contact_id)
    answer = download(member.tenant_id, pieces, f"contact-{contact_id}.json", "application/json")
    async with of.database.tenant_session(member.tenant_id) as session:
        await disclosing.note(session, of.vault, member.tenant_id, contact_id, actor=member.actor)
    return answer


async def _page(
    request: Request,
    member: Member,
    contact_id: UUID,
    status: int = 200,
    *,
    errors: dict[str, str] | None = None,
    typed: str = "",
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        known = await contact_book.read(session, services(request).vault, contact_id)
        return render(
            request,
            "pages/contacts/person.html",
            status,
            known=known,
            erasure=await erasing.latest(session, contact_id),
            names=await audit_words.names(session),
            titles=await titles(session),
            icons=channel_words.ICONS,
            errors=errors or {},
            typed=typed,
            most_facts=contact_book.MOST_FACTS,
        )


def _at(member: Member, contact_id: UUID) -> str:
    return f"/t/{member.tenant_slug}/contacts/{contact_id}"
