"""The stream by which an open inbox hears that something is new, and what its browser says of who looks and writes."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response, StreamingResponse

from konstruct.desk import people
from konstruct.errors import Unavailable
from konstruct.handoffs import finding
from konstruct.workbench import marks
from portal import access
from portal.access import Member, may
from portal.services import services
from portal.watching import Seen

router = APIRouter(prefix="/t/{tenant}/inbox")

PERMISSION: Final = "inbox.read"
AWAY: Final = "The database does not answer. What you see may be old; it comes up to date by itself."
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}

Reader = Annotated[Member, Depends(may(PERMISSION))]


@router.get("/stream")
async def stream(
    request: Request, member: Reader, conversation: UUID | None = None, view: str = ""
) -> StreamingResponse:
    """Says ``list``, ``conversation`` and ``presence`` with what each is now, at first and whenever it is another;
    ``ping`` in between, ``away`` while nothing can be known, and ``end`` when it is over."""
    services(request).watching.require_room(member.user_id)
    events = _events(request, member, conversation, of_everything=view == "all")
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


@router.post("/{conversation_id}/presence")
async def note_presence(
    request: Request,
    member: Reader,
    conversation_id: UUID,
    state: Annotated[Literal["viewing", "writing", "gone"], Form()] = "viewing",
) -> Response:
    presence = services(request).presence
    if state != "gone":
        async with services(request).database.tenant_session(member.tenant_id) as session:
            # Whoever looks at what is not there would take the room of those who look at what is.
            await finding.be_there(session, conversation_id)
            await marks.looked(session, member.user_id, conversation_id)
    if presence is None:
        pass
    elif state == "gone":
        await presence.leave(member.tenant_id, conversation_id, member.user_id)
    else:
        name = member.name or member.email
        writes = state == "writing"
        await presence.note(member.tenant_id, conversation_id, member.user_id, name, is_writing=writes)
    return Response(status_code=204)


async def _events(
    request: Request, member: Member, conversation_id: UUID | None, *, of_everything: bool
) -> AsyncIterator[str]:
    watching = services(request).watching
    async with watching.listen(member.tenant_id, member.user_id, conversation_id) as watch:
        key, told = await _key(request, member), dict[str, str]()
        check_at = time.monotonic() + watching.ping_every
        # What makes browsers and what is between take it for begun.
        yield "retry: 1000\n\n"
        while not watching.is_over:
            seen = watch.seen
            if seen is not None:
                for name, data in _told(seen, member, key, conversation_id, of_everything=of_everything):
                    if told.get(name) != data:
                        told[name] = data
                        yield _event(name, data)
                # After that, all is told anew: only so a page knows that it is up to date.
                if seen.is_away:
                    told = {"away": told.get("away", "")}
                else:
                    told.pop("away", None)
            await watch.changed(seen, check_at - time.monotonic())
            if time.monotonic() < check_at:
                continue
            check_at = time.monotonic() + watching.ping_every
            try:
                if not await access.is_still_let_in(request, member, PERMISSION):
                    break
            except Unavailable:
                # It tells of nothing while nothing can be read, and is asked again.
                continue
            key = await _key(request, member)
            yield _event("ping", "{}")
    yield _event("end", "{}")


async def _key(request: Request, member: Member) -> str:
    """By which the desk knows the member; that they are one is enough where it cannot be read."""
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            return await people.agent_key(session, member.user_id, member.email)
    except Unavailable:
        return people.member_key(member.user_id)


def _told(
    seen: Seen, member: Member, key: str, conversation_id: UUID | None, *, of_everything: bool
) -> Iterator[tuple[str, str]]:
    if seen.is_away:
        yield "away", json.dumps({"sentence": AWAY})
        return
    waiting = [call for call in seen.calls if call.is_waiting]
    told: dict[str, Any] = {
        "digest": f"{seen.list}-{seen.latest}" if of_everything else seen.list,
        "waiting": len(waiting),
        # What one gave back oneself is no news to them.
        "newest": _written(max((call.since for call in waiting if call.agent != key), default=None)),
        "mine": {
            str(call.conversation_id): [_written(call.said_at), call.is_given]
            for call in seen.calls
            if not call.is_waiting and call.agent == key
        },
    }
    yield "list", json.dumps(told)
    if conversation_id is not None and (mark := seen.conversations.get(conversation_id)) is not None:
        yield "conversation", json.dumps({"digest": mark, "conversation": str(conversation_id)})
    present = {
        str(each): [
            {"name": person.name, "writing": person.is_writing, "key": str(person.user_id)}
            for person in there
            if person.user_id != member.user_id
        ]
        for each, there in seen.present.items()
    }
    yield "presence", json.dumps({each: there for each, there in present.items() if there})


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"
