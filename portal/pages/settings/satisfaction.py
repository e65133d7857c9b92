"""Whether contacts are asked how they were helped, when, and in which words."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct.connecting import overview
from konstruct.errors import Mistakes
from konstruct.satisfaction import terms, texts
from konstruct.satisfaction.terms import LONGEST_QUESTION, Terms
from portal import channel_words
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/settings/satisfaction")

Several = Annotated[list[str] | None, Form()]


@router.get("")
async def show(request: Request, member: Annotated[Member, Depends(may("settings.read"))]) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        chosen = await terms.read(session)
    return await _page(request, member, vars(chosen))


@router.post("")
async def change(
    request: Request,
    member: Annotated[Member, Depends(may("settings.edit"))],
    enabled: Annotated[bool, Form()] = False,
    after_person: Annotated[bool, Form()] = False,
    after_quiet: Annotated[bool, Form()] = False,
    quiet_minutes: Annotated[str, Form()] = "",
    every_days: Annotated[str, Form()] = "",
    employees: Several = None,
    connections: Several = None,
    question: Annotated[str, Form()] = "",
) -> Response:
    typed: dict[str, Any] = {
        "enabled": enabled,
        "after_person": after_person,
        "after_quiet": after_quiet,
        "quiet_minutes": _number(quiet_minutes, Terms.quiet_minutes),
        "every_days": _number(every_days, Terms.every_days),
        "employees": employees or [],
        "connections": connections or [],
        "question": question.strip(),
    }
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            changed = await terms.change(session, member.tenant_id, typed, actor=member.actor)
    except Mistakes as error:
        return await _page(request, member, typed, error.fields)
    said = "Contacts are asked from now on." if enabled else "Nobody is asked."
    toast = Toast(said if changed else "Nothing was different, so nothing was changed.")
    return redirect(request, f"/t/{member.tenant_slug}/settings/satisfaction", toast=toast)


def _number(text: str, usual: int) -> int | str:
    """As it was typed, where it is none: the form says so."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else text or usual


async def _page(
    request: Request, member: Member, chosen: dict[str, Any], errors: dict[str, str] | None = None
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        employees = [each for each in await overview.employees(session) if not each.is_archived]
        every = await overview.every(session)
    return render(
        request,
        "pages/settings/satisfaction.html",
        422 if errors else 200,
        chosen=chosen,
        errors=errors or {},
        employees=[(each.key, each.name) for each in employees],
        channels=[(each.key, channel_words.title(each)) for each in every if each.status != "disconnected"],
        ours=texts.in_language("en"),
        longest=LONGEST_QUESTION,
    )
