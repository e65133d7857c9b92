"""One conversation, whole: all that happened in it, in its order, with what it took and what it cost."""

from collections.abc import Sequence
from typing import Annotated, cast
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from konstruct import poison, temporal
from konstruct.errors import Conflict
from konstruct.record import overview, timeline
from konstruct.record.events import KINDS, Kind, Mark
from konstruct.settings import Settings
from portal import channel_words, record_words
from portal.access import Member, may
from portal.pages.rehearsals import readable
from portal.rendering import Toast, redirect, render
from portal.services import services
from portal.words import money

router = APIRouter(prefix="/t/{tenant}/conversations/{conversation_id}")


@router.get("")
async def show(
    request: Request,
    member: Annotated[Member, Depends(may("conversations.read"))],
    conversation_id: UUID,
    show: Annotated[list[str], Query()] = [],  # noqa: B006  # FastAPI copies it.
    before: str = "",
) -> Response:
    """``show``: kinds of events; all of them where none is named. Asked by htmx it is the page of events before a
    mark alone."""
    used = services(request)
    kinds = [kind for kind in KINDS if kind in show]
    async with used.database.tenant_session(member.tenant_id) as session:
        about = await overview.read(session, used.vault, conversation_id)
        found = await timeline.page(
            *(session, used.vault, conversation_id),
            kinds=kinds or KINDS,
            before=Mark.read(before) if before else None,
        )
        set_aside = await poison.of_conversation(session, conversation_id)
    here = f"/t/{member.tenant_slug}/conversations/{conversation_id}"
    return render(
        request,
        "pages/conversations/conversation.html",
        block="events",
        about=about,
        events=found.events,
        earlier=_address(here, kinds, before=str(found.earlier)) if found.earlier else None,
        is_latest=not before,
        set_aside=set_aside,
        latest=_address(here, kinds),
        chips=_chips(here, kinds),
        title=channel_words.title(about),
        run=_run(used.settings, member.tenant_id, conversation_id),
        here=here,
        words=record_words,
        channel_words=channel_words,
        money=money,
        readable=readable,
    )


@router.post("/try-again")
async def try_again(
    request: Request, member: Annotated[Member, Depends(may("inbox.act"))], conversation_id: UUID
) -> Response:
    """What is set aside is the employee's to answer again."""
    used = services(request)
    here = f"/t/{member.tenant_slug}/conversations/{conversation_id}"
    try:
        async with used.database.tenant_session(member.tenant_id) as session:
            message_ids = await poison.try_again(session, conversation_id, actor=member.actor)
    except Conflict as error:
        return redirect(request, here, toast=Toast(str(error), "error"))
    await temporal.answer(await used.temporal(), member.tenant_id, conversation_id, message_ids)
    return redirect(request, here, toast=Toast("It is tried again."))


def _address(here: str, kinds: Sequence[Kind], **more: str) -> str:
    query = urlencode([*(("show", kind) for kind in kinds), *more.items()])
    return f"{here}?{query}" if query else here


def _chips(here: str, chosen: Sequence[Kind]) -> list[tuple[str, str, str, bool]]:
    """Title, drawing, address and whether it is shown, of each kind: a press adds it or takes it away."""
    chips = [("Everything", "list-checks", here, not chosen)]
    for kind in KINDS:
        title, icon = record_words.KINDS[kind]
        others = [each for each in KINDS if (each in chosen) != (each == kind)]
        chips.append((title, icon, _address(here, cast(Sequence[Kind], others)), kind in chosen))
    return chips


def _run(settings: Settings, tenant_id: UUID, conversation_id: UUID) -> str | None:
    """Its workflow in Temporal's web UI, where that is known."""
    if not settings.temporal_ui_url:
        return None
    workflow = quote(temporal.workflow_id(tenant_id, conversation_id), safe="")
    namespace = quote(settings.temporal_namespace, safe="")
    return f"{settings.temporal_ui_url.rstrip('/')}/namespaces/{namespace}/workflows/{workflow}"
