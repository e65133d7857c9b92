"""A conversation to be kept elsewhere, or to be printed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct.record import exporting
from konstruct.record.exporting import Format
from portal.access import Member, may
from portal.downloads import download
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/conversations/{conversation_id}")


@router.post("/export")
async def export(
    request: Request,
    member: Annotated[Member, Depends(may("conversations.export"))],
    conversation_id: UUID,
    format: Format = "json",
) -> Response:
    """Posted, since the trail takes note of it."""
    used = services(request)
    about = await exporting.begin(
        used.database, used.vault, member.tenant_id, conversation_id, format, actor=member.actor
    )
    lines = exporting.lines(used.database, used.vault, member.tenant_id, about, format)
    name = f"conversation-{conversation_id}.{exporting.ENDINGS[format]}"
    return download(member.tenant_id, lines, name, exporting.MEDIA_TYPES[format])
