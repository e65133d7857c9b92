"""The inbox's three panes: the list of conversations, the one that is open, and what is known of it.

Both addresses give the whole page, or, with ``part``, the one part that a browser takes over by itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct.errors import BadInput
from konstruct.sharing import one_of_few
from konstruct.workbench import listing, marks, pulse
from portal import access, channel_words
from portal.access import Member, may
from portal.pages.inbox.asked import TABS, TITLES, Filters, asked, choices
from portal.pages.inbox.conversation import pane
from portal.rendering import is_partial, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/inbox")

Reader = Annotated[Member, Depends(may("inbox.read"))]
Part = Literal["list", "panes"]
_TEMPLATE: Final = "pages/inbox/inbox.html"


@router.get("")
async def nothing_open(request: Request, member: Reader, part: Part = "list") -> Response:
    async with _room(request, member), services(request).database.tenant_session(member.tenant_id) as session:
        context = _where(request, member, None)
        if not is_partial(request) or part == "list":
            context |= await _list(request, member, session)
    return render(request, _TEMPLATE, block=part, **context)


@router.get("/{conversation_id}")
async def opened(
    request: Request, member: Reader, conversation_id: UUID, part: Part = "list", seen: int | None = None
) -> Response:
    """``seen``: up to where whoever looks had seen it when they opened it; a page that looks by itself says it."""
    async with _room(request, member), services(request).database.tenant_session(member.tenant_id) as session:
        context = _where(request, member, conversation_id)
        if not is_partial(request) or part == "panes":
            context |= await _panes(request, member, session, conversation_id, seen)
        if not is_partial(request) or part == "list":
            context |= await _list(request, member, session)
    return render(request, _TEMPLATE, block=part, **context)


@asynccontextmanager
async def _room(request: Request, member: Member) -> AsyncIterator[None]:
    """To look for words takes its time, and a connection."""
    if not Filters.of(request).q:
        yield
        return
    async with one_of_few(member.tenant_id):
        yield


def _where(request: Request, member: Member, conversation_id: UUID | None) -> dict[str, Any]:
    base, filters = f"/t/{member.tenant_slug}/inbox", Filters.of(request)
    here = f"{base}/{conversation_id}" if conversation_id else base
    return {
        "base": base,
        "here": here,
        "filters": filters,
        "conversation_id": conversation_id,
        "digest": "",
        "seen_seq": None,
        "shows_packet": request.query_params.get("panel") == "packet",
        "packet_at": f"{here}{_with(filters.query(), 'panel=packet')}",
        "part_of": lambda part, more="": f"{here}{_with(filters.query(), f'part={part}{more}')}",
    }


async def _panes(
    request: Request, member: Member, session: AsyncSession, conversation_id: UUID, seen: int | None
) -> dict[str, Any]:
    # Before what it is of: so it is never newer than that.
    marked = await pulse.of_conversations(session, [conversation_id])
    if seen is None:
        seen = (await marks.seen(session, member.user_id, [conversation_id])).get(conversation_id, 0)
    found = {"seen_seq": seen} | await pane(request, member, session, conversation_id)
    if access.BY_ITSELF not in request.headers:
        await marks.looked(session, member.user_id, conversation_id)
    return found | {"digest": marked.get(conversation_id, "")}


async def _list(request: Request, member: Member, session: AsyncSession) -> dict[str, Any]:
    filters = Filters.of(request)
    digest = await pulse.of_list(session)
    if filters.view == "all":
        digest = f"{digest}-{await pulse.of_latest(session)}"
    wanted = await asked(session, member, filters)
    used = services(request)
    try:
        found = await listing.page(session, used.vault, member.tenant_id, wanted, user_id=member.user_id)
        sentence = ""
    except BadInput as error:
        found, sentence = listing.Listed([]), str(error)
    return {
        "list_digest": digest,
        "found": found,
        "sentence": sentence,
        "counts": await listing.counts(session, wanted.agent),
        "choices": await choices(session),
        "titles": TITLES,
        "tabs": TABS,
        "channel_words": channel_words,
    }


def _with(query: str, more: str) -> str:
    return f"{query}&{more}" if query else f"?{more}"
