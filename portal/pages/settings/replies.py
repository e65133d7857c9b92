"""Saved replies: kept by whoever answers contacts, and offered to them as they write."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from sqlmodel import col, select
from starlette.responses import JSONResponse, Response

from konstruct import naming, saved_replies
from konstruct.errors import Conflict, Mistakes
from konstruct.tables import Conversation
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}")

NONE: Final[Mapping[str, str]] = MappingProxyType({})

Agent = Annotated[Member, Depends(may("inbox.act"))]


@router.get("/settings/replies")
async def show(request: Request, member: Agent, q: str = "") -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        every = await saved_replies.listing(session)
    wanted = q.strip().casefold().removeprefix("/")
    found = [each for each in every if wanted in f"{each.key} {each.title} {each.body}".casefold()]
    return render(request, "pages/settings/replies.html", replies=found, count=len(every), q=q.strip())


@router.get("/settings/replies/{key}")
async def one(request: Request, member: Agent, key: str) -> Response:
    if key == "new":
        return _form(request, None, {})
    async with services(request).database.tenant_session(member.tenant_id) as session:
        kept = await saved_replies.get(session, key)
    return _form(request, key, {"key": kept.key, "title": kept.title, "text": kept.body})


@router.post("/settings/replies/{key}")
async def put(
    request: Request,
    member: Agent,
    key: str,
    wanted: Annotated[str, Form(alias="key")] = "",
    title: Annotated[str, Form()] = "",
    text: Annotated[str, Form()] = "",
) -> Response:
    former = None if key == "new" else key
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            kept = await saved_replies.put(
                session, member.tenant_id, wanted, title, text, former=former, actor=member.actor
            )
    except Mistakes as error:
        return _form(request, former, {"key": wanted, "title": title, "text": text}, error.fields)
    except Conflict as error:
        return _form(request, former, {"key": wanted, "title": title, "text": text}, {"key": str(error)})
    return _back(request, member, Toast(f"Saved. Type /{kept} at the beginning of a line to use it."))


@router.post("/settings/replies/{key}/remove")
async def remove(request: Request, member: Agent, key: str) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await saved_replies.remove(session, member.tenant_id, key, actor=member.actor)
    undo = f"/t/{member.tenant_slug}/settings/replies/{key}/restore"
    return _back(request, member, Toast(f"“/{key}” is removed.", undo=undo))


@router.post("/settings/replies/{key}/restore")
async def restore(request: Request, member: Agent, key: str) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await saved_replies.restore(session, member.tenant_id, key, actor=member.actor)
    return _back(request, member, Toast(f"“/{key}” is back."))


@router.get("/saved-replies")
async def offered(request: Request, member: Agent, conversation: UUID | None = None) -> Response:
    """All of them, for js/saved-replies.js, with the names of who writes to whom in their places."""
    used = services(request)
    async with used.database.tenant_session(member.tenant_id) as session:
        every = await saved_replies.listing(session)
        contact_id = await session.scalar(
            select(col(Conversation.contact_id)).where(col(Conversation.id) == conversation)
        )
        contact = await naming.own_name(session, used.vault, contact_id) if contact_id is not None else ""
    names = {"contact": contact, "agent": member.name, "business": member.tenant_name}
    told = [{"key": each.key, "title": each.title, "text": saved_replies.filled(each.body, **names)} for each in every]
    return JSONResponse({"replies": told, "all": f"/t/{member.tenant_slug}/settings/replies"})


def _form(request: Request, key: str | None, typed: Mapping[str, str], errors: Mapping[str, str] = NONE) -> Response:
    blank = {"key": "", "title": "", "text": ""}
    status = 422 if errors else 200
    return render(request, "pages/settings/reply.html", status, key=key, typed=blank | dict(typed), errors=errors)


def _back(request: Request, member: Member, toast: Toast) -> Response:
    return redirect(request, f"/t/{member.tenant_slug}/settings/replies", toast=toast)
