"""For how long a tenant keeps what was said: the periods, what a shorter one would remove, and the last run."""

from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct import retention
from konstruct.retention import Periods
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/settings/retention")

_NOT_DAYS: Final = (
    f"Enter a whole number of days, from {retention.LEAST_DAYS} to {retention.MOST_DAYS:,}, or nothing for good."
)


@router.get("")
async def show(request: Request, member: Annotated[Member, Depends(may("settings.read"))]) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        now = await retention.settings(session)
    return await _page(request, member, {name: str(days or "") for name, days in asdict(now).items()})


@router.post("")
async def change(
    request: Request,
    member: Annotated[Member, Depends(may("settings.edit"))],
    messages: Annotated[str, Form()] = "",
    files: Annotated[str, Form()] = "",
    memories: Annotated[str, Form()] = "",
    confirmation: Annotated[str | None, Form()] = None,
) -> Response:
    typed = {"messages": messages.strip(), "files": files.strip(), "memories": memories.strip()}
    if errors := {name: _NOT_DAYS for name, text in typed.items() if text and not _are_days(text)}:
        return await _page(request, member, typed, errors=errors)
    periods = Periods(**{name: int(text) if text else None for name, text in typed.items()})
    database = services(request).database
    async with database.tenant_session(member.tenant_id) as session:
        former = await retention.settings(session)
        is_confirmed = confirmation is not None and confirmation.strip() == member.tenant_slug
        if periods.shortens(former) and not is_confirmed:
            gone = await retention.preview(session, periods)
        else:
            gone = None
            await retention.change(session, member.tenant_id, periods, actor=member.actor)
    if gone is not None:
        wrong = confirmation is not None
        return await _confirm(request, periods, gone, wrong=f"Type {member.tenant_slug} to go on." if wrong else None)
    toast = Toast("Saved. What is older goes within the hour." if periods.content() else "Everything is kept for good.")
    return redirect(request, f"/t/{member.tenant_slug}/settings/retention", toast=toast)


def _are_days(text: str) -> bool:
    is_number = text.isascii() and text.isdigit() and len(text) <= 5
    return is_number and retention.LEAST_DAYS <= int(text) <= retention.MOST_DAYS


async def _confirm(request: Request, periods: Periods, gone: retention.Amount, *, wrong: str | None) -> Response:
    """What would go, before it does: a page of its own, so that it works without scripts, too."""
    return render(
        request,
        "pages/settings/retention_confirm.html",
        422 if wrong else 200,
        fields={name: "" if days is None else days for name, days in asdict(periods).items()},
        gone=gone,
        wrong=wrong,
    )


async def _page(
    request: Request, member: Member, typed: dict[str, str], *, errors: dict[str, str] | None = None
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        run = await retention.last_run(session)
    return render(
        request, "pages/settings/retention.html", 422 if errors else 200, typed=typed, errors=errors or {}, run=run
    )
