"""Files of conversations, as their messages show them: whole to be kept, or as a picture to be looked at."""

import asyncio
from typing import Annotated, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.errors import Unreadable
from konstruct.files import kinds, showing, types
from konstruct.files.showing import Kept
from portal.access import Member, may
from portal.guard import set_apart
from portal.services import services

router = APIRouter()

_SHOWN: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""What every browser shows, and what can hold no script."""
_LONGEST_SIDE: Final = 640
_SMALL: Final = 400_000
"""Bytes up to which a picture is not made smaller to be shown among messages."""
_HEADERS: Final = {"cache-control": "private, no-store"}
_pictures: Final = SubprocessPictures(at_once=2, longest_side=_LONGEST_SIDE)


@router.get("/t/{tenant}/files/{file_id}")
async def whole(
    request: Request, file_id: UUID, member: Annotated[Member, Depends(may("conversations.read"))]
) -> Response:
    found, content = await _opened(request, member, file_id)
    set_apart(request)
    how = "inline" if found.media_type in _SHOWN else "attachment"
    name = quote(types.clean_name(found.name, found.media_type), safe="")
    headers = _HEADERS | {"content-disposition": f"{how}; filename*=UTF-8''{name}"}
    return Response(content, media_type=_told(found.media_type), headers=headers)


@router.get("/t/{tenant}/files/{file_id}/picture")
async def picture(
    request: Request, file_id: UUID, member: Annotated[Member, Depends(may("conversations.read"))]
) -> Response:
    """Small enough to stand among messages."""
    found, content = await _opened(request, member, file_id)
    if kinds.kind_of(found.media_type) != "picture":
        raise HTTPException(404)
    set_apart(request)
    if found.media_type in _SHOWN and len(content) <= _SMALL:
        return Response(content, media_type=found.media_type, headers=_HEADERS)
    try:
        content = await _pictures.small(content)
    except Unreadable as error:
        raise HTTPException(404) from error
    return Response(content, media_type="image/jpeg", headers=_HEADERS)


async def _opened(request: Request, member: Member, file_id: UUID) -> tuple[Kept, bytes]:
    reach = services(request)
    async with reach.database.tenant_session(member.tenant_id) as session:
        found = await showing.kept(session, reach.vault, file_id)
    sealed = await reach.file_store.get(found.store_key)
    return found, await asyncio.to_thread(found.opened, sealed)


def _told(media_type: str) -> str:
    """Texts as plain ones: a page that somebody sent is to be read, and not to be opened as one of ours."""
    return "text/plain; charset=utf-8" if media_type.startswith("text/") else media_type
