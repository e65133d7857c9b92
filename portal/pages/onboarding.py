"""The first three steps of a tenant: connect a channel, say what the employee is to be, send it a message."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct import onboarding
from konstruct.connecting import setup
from konstruct.designs import drafting, starts
from konstruct.designs.drafting import Draft
from konstruct.errors import BadInput, Conflict
from konstruct.onboarding import Progress
from portal.access import Member, may
from portal.channel_words import title
from portal.pages.channels_slack import lead_to_slack, let_form_lead_to_slack
from portal.rendering import redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/setup")

Beginner = Annotated[Member, Depends(may("onboarding.edit"))]
Typed = Annotated[str, Form()]


@router.get("")
async def show(request: Request, member: Beginner) -> Response:
    return await _page(request, member)


@router.get("/message")
async def look_for_message(request: Request, member: Beginner) -> Response:
    """Asked again and again by the page until the message was answered."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        progress = await onboarding.progress(session)
    return render(request, "pages/onboarding/message.html", progress=progress)


@router.post("/slack")
async def add_to_slack(request: Request, member: Beginner) -> Response:
    here = services(request)
    if here.slack_oauth is None:
        return await _page(request, member, status=422, errors={"": "This Konstruct has no Slack app yet."})
    async with here.database.tenant_session(member.tenant_id) as session:
        employee = await onboarding.somebody(session, member.tenant_id, actor=member.actor)
    return await lead_to_slack(request, member, here.slack_oauth, employee.id)


@router.post("/whatsapp")
async def connect_whatsapp(request: Request, member: Beginner) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await onboarding.somebody(session, member.tenant_id, actor=member.actor)
    return redirect(request, f"/t/{member.tenant_slug}/channels/whatsapp")


@router.post("/later")
async def put_off(request: Request, member: Beginner) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await onboarding.put_off_channel(session, actor=member.actor)
    return redirect(request, _here(member))


@router.post("/employee")
async def configure(
    request: Request, member: Beginner, start: Typed = "", name: Typed = "", about: Typed = ""
) -> Response:
    typed = {"start": start, "name": name, "about": about}
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await onboarding.configure(
                session, member.tenant_id, start=start, name=name, about=about, actor=member.actor
            )
    except (BadInput, Conflict) as error:
        return await _page(request, member, status=error.status, errors={"": str(error)}, typed=typed)
    return redirect(request, _here(member))


@router.post("/close")
async def close(request: Request, member: Beginner) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await onboarding.close(session, actor=member.actor)
    return redirect(request, f"/t/{member.tenant_slug}/home")


async def _page(
    request: Request,
    member: Member,
    *,
    status: int = 200,
    errors: dict[str, str] | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        progress = await onboarding.progress(session)
        draft = await drafting.of(session, progress.employee) if progress.employee is not None else None
    let_form_lead_to_slack(request)
    return render(
        request,
        "pages/onboarding/setup.html",
        status,
        progress=progress,
        steps=stepper(progress),
        channel=title(progress.connection) if progress.connection is not None else None,
        draft=draft,
        starts=[each for each in starts.STARTS if each.given],
        typed={"start": starts.STARTS[0].key, "name": "", "about": ""} | (typed or {}),
        slack_lacks=[lack for lack in setup.slack(here.settings) if lack.stops_it],
        name=_name(draft),
        errors=errors or {},
    )


def _name(draft: Draft | None) -> str:
    return str(draft.content["name"]) if draft is not None else ""


def stepper(progress: Progress) -> list[tuple[str, str]]:
    """As the stepper takes them."""
    titles = {"channel": "Connect a channel", "employee": "Configure the employee", "message": "Send a message"}
    states = {step: "done" if progress.done[step] else "todo" for step in onboarding.STEPS}
    if progress.current is not None:
        states[progress.current] = "current"
    return [(titles[step], states[step]) for step in onboarding.STEPS]


def _here(member: Member) -> str:
    return f"/t/{member.tenant_slug}/setup"
