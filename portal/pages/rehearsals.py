"""The chat beside the designer's form: a draft is tried out, and each answer shows how it came about.

The panel is asked for again and again while it is looked at; as long as it says nothing new, the answer is empty.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import temporal
from konstruct.designs import drafting
from konstruct.designs.drafting import Draft
from konstruct.errors import KonstructError, NotFound, Unavailable
from konstruct.identity import new_id
from konstruct.rehearsals import rooms, showing, trying
from konstruct.rehearsals.showing import Shown
from konstruct.visible import visible
from portal.access import Member, may
from portal.rendering import is_partial, redirect, render
from portal.services import services
from portal.words import CALLS, money

router = APIRouter(prefix="/t/{tenant}/employees/{key}/rehearsal")

Rehearsing = Annotated[Member, Depends(may("employees.rehearse"))]

KEPT: Final = "It is kept, and answered as soon as that is there again."


@dataclass(frozen=True)
class Panel:
    draft: Draft
    shown: Shown | None
    """None before anything was said."""
    name: str
    greeting: str
    prompts: list[str]

    @property
    def is_behind(self) -> bool:
        """The draft has moved on since this rehearsal began."""
        return self.shown is not None and self.shown.rehearsal.draft_revision != self.draft.revision

    @property
    def version(self) -> str:
        return f"{self.shown.version if self.shown else ''}-{self.draft.revision}-{self.is_behind:d}"


def readable(arguments: str) -> str:
    """Of a call, as a model wrote them; with nothing left out and nothing that shows nothing."""
    try:
        return visible(json.dumps(json.loads(arguments), ensure_ascii=False, indent=2))
    except ValueError:
        return visible(arguments)


@router.get("")
async def look(request: Request, member: Rehearsing, key: str, version: str = "") -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        panel = await _panel(request, session, member, key)
    if is_partial(request) and version == panel.version:
        return Response(status_code=204)
    return _answer(request, member, panel)


@router.post("/say")
async def say(
    request: Request,
    member: Rehearsing,
    key: str,
    text: Annotated[str, Form()] = "",
    message: Annotated[UUID | None, Form()] = None,
    acts: Annotated[bool, Form()] = False,
) -> Response:
    """``message``: of this very message, so that it is said once. ``acts``: where it begins a rehearsal."""
    used = services(request)
    try:
        async with used.database.tenant_session(member.tenant_id) as session:
            rehearsal = await trying.begun(session, key, member.user_id, acts=acts, actor=member.actor)
        await rooms.say(
            *(used.database, used.vault, used.limiter, await used.temporal(), rehearsal, text),
            user_id=member.user_id,
            external_id=str(message or new_id()),
        )
    except Unavailable as error:
        return await _again(request, member, key, f"{error} {KEPT}", status=200)
    except KonstructError as error:
        return await _again(request, member, key, str(error), status=error.status, text=text)
    return await _again(request, member, key)


@router.post("/restart")
async def restart(request: Request, member: Rehearsing, key: str) -> Response:
    """A new one with the draft as it is now; nothing more comes of the one before."""
    used = services(request)
    try:
        async with used.database.tenant_session(member.tenant_id) as session:
            draft = await trying.triable(session, key)
            before = await rooms.latest(session, draft.employee_id, member.user_id)
        if before is not None:
            await trying.stop(await used.temporal(), before)
        async with used.database.tenant_session(member.tenant_id) as session:
            acts = before is not None and before.acts
            await rooms.start(session, draft, user_id=member.user_id, acts=acts)
    except KonstructError as error:
        return await _again(request, member, key, str(error), status=error.status)
    return await _again(request, member, key)


@router.post("/forget")
async def forget(request: Request, member: Rehearsing, key: str) -> Response:
    """All of this person's rehearsals of the employee."""
    database = services(request).database
    async with database.tenant_session(member.tenant_id) as session:
        before = await trying.latest(session, key, member.user_id)
    if before is not None:
        await trying.stop(await services(request).temporal(), before)
        async with database.tenant_session(member.tenant_id) as session:
            await rooms.forget(session, member.tenant_id, before.contact_id, actor=member.actor)
    return await _again(request, member, key)


@router.post("/tools")
async def choose_tools(
    request: Request, member: Rehearsing, key: str, acts: Annotated[bool, Form()] = False
) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            rehearsal = await trying.begun(session, key, member.user_id, acts=acts, actor=member.actor)
            await rooms.choose_acting(session, rehearsal, acts=acts, user_id=member.user_id)
    except KonstructError as error:
        return await _again(request, member, key, str(error), status=error.status)
    return await _again(request, member, key)


@router.post("/stop")
async def stop(request: Request, member: Rehearsing, key: str) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        rehearsal = await trying.latest(session, key, member.user_id)
    if rehearsal is not None:
        await trying.stop(await services(request).temporal(), rehearsal)
    return await _again(request, member, key)


@router.post("/approvals/{approval_id}")
async def decide(
    request: Request,
    member: Rehearsing,
    key: str,
    approval_id: UUID,
    fingerprint: Annotated[str, Form()] = "",
    decision: Annotated[str, Form()] = "no",
) -> Response:
    used = services(request)
    try:
        async with used.database.tenant_session(member.tenant_id) as session:
            await trying.decide(
                *(session, used.vault, approval_id, member.user_id),
                is_yes=decision == "yes",
                fingerprint=fingerprint,
                actor=member.actor,
            )
        await temporal.tell_decided(await used.temporal(), member.tenant_id, approval_id)
    except KonstructError as error:
        return await _again(request, member, key, str(error), status=error.status)
    return await _again(request, member, key)


async def _panel(request: Request, session: AsyncSession, member: Member, key: str) -> Panel:
    draft = await drafting.read(session, key)
    if draft.archived_at is not None:
        raise NotFound("This employee is archived: restore it to try its draft out.")
    rehearsal = await rooms.latest(session, draft.employee_id, member.user_id)
    shown = await showing.show(session, services(request).vault, rehearsal) if rehearsal is not None else None
    content = draft.content if rehearsal is None else rehearsal.content
    return Panel(draft, shown, content["name"], content["greeting"], content["suggested_prompts"])


async def _again(
    request: Request, member: Member, key: str, sentence: str = "", *, status: int = 200, text: str = ""
) -> Response:
    """The panel as it is now. ``sentence``: what went wrong; ``text``: what was typed, and is not said yet."""
    if not sentence and not is_partial(request):
        return redirect(request, _url(member, key))
    async with services(request).database.tenant_session(member.tenant_id) as session:
        panel = await _panel(request, session, member, key)
    return _answer(request, member, panel, sentence, status=status, text=text)


def _answer(
    request: Request, member: Member, panel: Panel, sentence: str = "", *, status: int = 200, text: str = ""
) -> Response:
    context: dict[str, Any] = {
        "panel": panel,
        "sentence": sentence,
        "text": text,
        "draft": panel.draft,
        "money": money,
        "calls": CALLS,
        "readable": readable,
        "message_id": new_id(),
    }
    return render(request, "pages/rehearsals/page.html", status, block="state", **context)


def _url(member: Member, key: str) -> str:
    return f"/t/{member.tenant_slug}/employees/{key}/rehearsal"
