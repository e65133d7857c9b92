"""The inbox's three panes: the list of conversations, the one that is open, and what is known of it.

Both addresses give the whole page, or, with ``part``, the one part that a browser takes over by itself.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct.workbench import pulse
from portal.access import Member, may
from portal.pages.inbox.conversation import pane
from portal.rendering import is_partial, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/inbox")

Reader = Annotated[Member, Depends(may("inbox.read"))]
Part = Literal["list", "panes"]


@router.get("")
async def nothing_open(request: Request, member: Reader, part: Part = "list") -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        context = await _list(session, member, None)
    return render(request, "pages/inbox/inbox.html", block=part, **context)


@router.get("/{conversation_id}")
async def opened(request: Request, member: Reader, conversation_id: UUID, part: Part = "list") -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        context = await _list(session, member, conversation_id)
        if not is_partial(request) or part == "panes":
            # Before what it is of: so it is never newer than that.
            context["digest"] = (await pulse.of_conversations(session, [conversation_id])).get(conversation_id, "")
            context |= await pane(request, member, session, conversation_id)
    return render(request, "pages/inbox/inbox.html", block=part, **context)


async def _list(session: AsyncSession, member: Member, conversation_id: UUID | None) -> dict[str, Any]:
    base = f"/t/{member.tenant_slug}/inbox"
    return {
        "base": base,
        "conversation_id": conversation_id,
        "here": f"{base}/{conversation_id}" if conversation_id else base,
        "list_digest": await pulse.of_list(session),
        "digest": "",
        "rows": [],
    }
