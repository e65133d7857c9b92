"""The list of contacts: found by name, number or id, narrowed by channel and state, page by page."""

from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import contact_book, erasing
from konstruct.connecting import overview
from konstruct.contact_book import Filters, Page, State
from konstruct.sharing import one_of_few
from portal import channel_words
from portal.access import Member, may
from portal.rendering import render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/contacts")

AT_ONCE: Final = 50
STATES: Final = (("", "All contacts"), ("opted_out", "Opted out"), ("erased", "Erased"))


@router.get("")
async def show(
    request: Request,
    member: Annotated[Member, Depends(may("contacts.read"))],
    q: Annotated[str, Query(max_length=200)] = "",
    channel: str = "",
    state: State = "",
    before: UUID | None = None,
    after: UUID | None = None,
) -> Response:
    vault, database = services(request).vault, services(request).database
    async with one_of_few(member.tenant_id), database.tenant_session(member.tenant_id) as session:
        channels = await titles(session)
        chosen = next((connection_id for connection_id in channels if str(connection_id) == channel), None)
        filters = Filters(q, chosen, state)
        found = await contact_book.page(session, vault, member.tenant_id, filters, AT_ONCE, before=before, after=after)
        any_there = bool(found.entries) or await contact_book.any_there(session)
        unfinished = await erasing.unfinished(session)
    given = {"q": q.strip(), "channel": str(chosen or ""), "state": state}
    return render(
        request,
        "pages/contacts/list.html",
        found=found.entries,
        pages=_pages(f"/t/{member.tenant_slug}/contacts", given, found),
        filters=given,
        is_filtered=any(given.values()),
        any_there=any_there,
        unfinished=unfinished,
        channels=channels,
        channel_options=[("", "All channels"), *((str(each), title) for each, title in channels.items())],
        states=STATES,
        icons=channel_words.ICONS,
    )


async def titles(session: AsyncSession) -> dict[UUID, str]:
    """What channels are called, by their ids."""
    return {each.connection_id: channel_words.title(each) for each in await overview.every(session)}


def _pages(base: str, given: dict[str, str], found: Page) -> tuple[str | None, str | None]:
    kept = {name: value for name, value in given.items() if value}
    newer = f"{base}?{urlencode(kept | {'after': str(found.newer)})}" if found.newer else None
    older = f"{base}?{urlencode(kept | {'before': str(found.older)})}" if found.older else None
    return newer, older
