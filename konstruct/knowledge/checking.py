"""Whether an address can be a source: asked once, as a synchronisation would, before anything is kept."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from konstruct.errors import Unreadable, WebUnreachable
from konstruct.knowledge import sources
from konstruct.knowledge.pages import Page, Visit
from konstruct.knowledge.sources import SourceSettings
from konstruct.knowledge.syncs import Task
from konstruct.source_ports import Web

TIME_LIMIT: Final = 20.0
"""Seconds: somebody waits for it."""
UNREADABLE: Final = ("image/", "audio/", "video/", "font/")
EXAMPLES: Final = 3


@dataclass(frozen=True)
class Found:
    """What is there. ``reason``: a sentence, where that is not all."""

    pages: int
    examples: tuple[str, ...]
    reason: str | None = None


async def check(web: Web, kind: Literal["page", "sitemap"], url: str) -> Found:
    """Raises BadInput for what can be no source, with a sentence; WebError where nothing came of asking, which may be
    otherwise tomorrow."""
    sources.check_settings("address", SourceSettings(kind, url=url))
    visit = Visit(web, pause=0.0, waits=())
    try:
        async with asyncio.timeout(TIME_LIMIT):
            if kind == "sitemap":
                listing = await visit.listing(url)
                return Found(len(listing.urls), listing.urls[:EXAMPLES], listing.reason)
            page = await visit.page(Task(UUID(int=0), url, None, datetime.now(UTC), None, None, None))
    except TimeoutError:
        raise WebUnreachable(f"Nothing came of it within {TIME_LIMIT:.0f} seconds.") from None
    if not isinstance(page, Page):
        raise Unreadable("There is no page at this address.")
    if (page.media_type or "").lower().startswith(UNREADABLE):
        raise Unreadable(f"There is no page at this address, but something of the kind {str(page.media_type)[:80]}.")
    return Found(1, (page.link,))
