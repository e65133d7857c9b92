"""One event: what it says, what was before and after, what is sealed in it, and its place in the chain."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct import contact_book, disclosing
from konstruct.audit import finding
from konstruct.errors import NotFound
from portal import audit_actions, audit_words
from portal.access import Member, may
from portal.rendering import render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/audit/events")


@router.get("/{event_id}")
async def show(request: Request, member: Annotated[Member, Depends(may("audit.read"))], event_id: UUID) -> Response:
    vault = services(request).vault
    async with services(request).database.tenant_session(member.tenant_id) as session:
        placed = await finding.get(session, event_id)
        event = placed.event
        contact = None
        if event.subject_id is not None:
            try:
                contact = await contact_book.entry(session, vault, event.subject_id)
            except NotFound:
                # Of a rehearsal, or of what a tenant had before its contacts were removed.
                contact = None
        return render(
            request,
            "pages/audit/event.html",
            placed=placed,
            event=event,
            contact=contact,
            said=await disclosing.content_of(session, vault, event) if member.may("conversations.read") else None,
            told=audit_words.told(event.detail),
            names=await audit_words.names(session),
            words=audit_words,
            actions=audit_actions,
        )
