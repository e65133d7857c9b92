"""Saying that two contacts are one person: the other is looked for, both are shown, then it is said. And that they are
two after all."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import Response

from konstruct import contact_book, contacts
from konstruct.contact_book import Filters
from portal import channel_words
from portal.access import Member, may
from portal.pages.contacts.listing import titles
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/contacts/{contact_id}")

Editor = Annotated[Member, Depends(may("contacts.edit"))]
MOST_FOUND: Final = 20


@router.get("/merge")
async def choose(
    request: Request, member: Editor, contact_id: UUID, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    vault = services(request).vault
    async with services(request).database.tenant_session(member.tenant_id) as session:
        known = await contact_book.read(session, vault, contact_id)
        found = []
        if q.strip():
            page = await contact_book.page(session, vault, member.tenant_id, Filters(q), MOST_FOUND)
            found = [each for each in page.entries if each.person_id != known.asked.person_id and not each.erased_at]
        return render(
            request,
            "pages/contacts/merge.html",
            block="found",
            known=known,
            found=found,
            q=q.strip(),
            titles=await titles(session),
            icons=channel_words.ICONS,
        )


@router.get("/merge/{other_id}")
async def compare(request: Request, member: Editor, contact_id: UUID, other_id: UUID) -> Response:
    vault = services(request).vault
    async with services(request).database.tenant_session(member.tenant_id) as session:
        return render(
            request,
            "pages/contacts/merge_both.html",
            both=[await contact_book.read(session, vault, each) for each in (contact_id, other_id)],
            titles=await titles(session),
        )


@router.post("/merge/{other_id}")
async def join(request: Request, member: Editor, contact_id: UUID, other_id: UUID) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await contact_book.require_there(session, [contact_id, other_id])
        joined = await contacts.join(session, member.tenant_id, contact_id, other_id, actor=member.actor)
    at = f"/t/{member.tenant_slug}/contacts/{contact_id}"
    if not joined:
        return redirect(request, at, toast=Toast("They are one person already.", "info"))
    return redirect(request, at, toast=Toast("They are one person now.", undo=f"{at}/separate?contact={other_id}"))


@router.post("/separate")
async def separate(request: Request, member: Editor, contact_id: UUID, contact: Annotated[UUID, Form()]) -> Response:
    """``contact``: who is a person of their own from now on; shown by another of them."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        is_new = await contacts.separate(session, member.tenant_id, contact, actor=member.actor)
    at = f"/t/{member.tenant_slug}/contacts/{contact_id}"
    if not is_new:
        return redirect(request, at, toast=Toast("They are a person of their own already.", "info"))
    return redirect(request, at, toast=Toast("They are two people again."))
