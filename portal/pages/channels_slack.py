"""Add to Slack: to Slack's own page and back, and the app's manifest for whoever runs the deployment."""

import json
from typing import Annotated, Final
from urllib.parse import quote, urlsplit
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct import connections, onboarding
from konstruct.adapters.slack_oauth import SlackOAuth
from konstruct.connecting import overview, setup, slack_app, slack_attempts, slack_workspaces
from konstruct.connecting.slack_attempts import Who
from konstruct.errors import BadInput, ChannelError, KonstructError, Misconfigured
from konstruct.tables import Employee, SlackAttempt
from portal import access
from portal.access import Member, Person, may, signed_in
from portal.guard import allow_form_target
from portal.pages.channels import choosable
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter()

COOKIE: Final = "__Host-konstruct-slack"
_SECONDS: Final = int(slack_attempts.GOOD_FOR.total_seconds())
_NEW_APP: Final = "https://api.slack.com/apps?new_app=1&manifest_json="
_UNFINISHED: Final = "Nothing was connected: Slack did not finish. Press “Add to Slack” again."

Editor = Annotated[Member, Depends(may("channels.edit"))]

log = structlog.get_logger(__name__)


@router.get("/t/{tenant}/channels/slack/connect")
async def ask(request: Request, member: Editor) -> Response:
    return await _ask(request, member)


@router.post("/t/{tenant}/channels/slack/connect")
async def begin(request: Request, member: Editor, employee: Annotated[str, Form()] = "") -> Response:
    here = services(request)
    if here.slack_oauth is None:
        return await _ask(request, member, status=422, errors={"": "This Konstruct has no Slack app yet."})
    async with here.database.tenant_session(member.tenant_id) as session:
        chosen = [served for served in await overview.employees(session) if str(served.employee_id) == employee]
    if not chosen or chosen[0].is_archived:
        return await _ask(request, member, status=422, errors={"employee": "Choose who is to answer there."})
    return await lead_to_slack(request, member, here.slack_oauth, chosen[0].employee_id)


async def lead_to_slack(request: Request, member: Member, oauth: SlackOAuth, employee_id: UUID) -> Response:
    """To Slack's page, from which the person comes back to ``come_back``."""
    here = services(request)
    redirect_uri = slack_app.callback(here.settings.portal_address)
    async with here.database.tenant_session(member.tenant_id) as session:
        begun = await slack_attempts.begin(
            session,
            member.tenant_id,
            Who(member.user_id, member.session_id),
            employee_id=employee_id,
            redirect_uri=redirect_uri,
            in_hand=request.cookies.get(COOKIE, ""),
        )
    response = redirect(request, oauth.consent_page(redirect_uri, begun.state))
    # A state that somebody else began is worth nothing in this browser, nor ours in theirs.
    response.set_cookie(COOKIE, begun.in_hand, max_age=_SECONDS, path="/", secure=True, httponly=True, samesite="lax")
    return response


@router.get("/channels/slack/callback")
async def come_back(
    request: Request,
    person: Annotated[Person, Depends(signed_in())],
    state: str = "",
    code: str = "",
    error: str = "",
) -> Response:
    tenant_id = slack_attempts.tenant_of(state)
    seat = next((seat for seat in person.seats if seat.tenant_id == tenant_id), None)
    if seat is None:
        raise BadInput(slack_attempts.UNKNOWN)
    # The state names the tenant, as the path does elsewhere.
    member = await access.seated(request, person, seat, "channels.edit")
    who = Who(person.user_id, person.session_id)
    async with services(request).database.tenant_session(member.tenant_id) as session:
        attempt = await slack_attempts.use(session, state, who, request.cookies.get(COOKIE, ""))
        employee = await session.get_one(Employee, (member.tenant_id, attempt.employee_id))
    if not code:
        # Whatever stands there was not written by us.
        said = "Nothing was connected: Slack was not given leave." if error == "access_denied" else _UNFINISHED
        return redirect(request, _channels(member), toast=Toast(said, "warning"))
    try:
        return await _connect(request, member, attempt, code, employee.key)
    except KonstructError as failure:
        if isinstance(failure, Misconfigured) or (failure.status >= 500 and not isinstance(failure, ChannelError)):
            raise
        status = 502 if isinstance(failure, ChannelError) else failure.status
        return await _ask(request, member, status=status, errors={"": str(failure)}, chosen=attempt.employee_id)


async def _connect(request: Request, member: Member, attempt: SlackAttempt, code: str, employee_key: str) -> Response:
    here = services(request)
    if here.slack_oauth is None:
        raise Misconfigured("The Slack app's client id and secret are no longer set.")
    workspace = await here.slack_oauth.exchange_code(code, attempt.redirect_uri)
    was_there = await connections.find(here.database, "slack", workspace.account)
    async with here.database.tenant_session(member.tenant_id) as session:
        connection_id = await slack_workspaces.connect(
            session, here.vault, member.tenant_id, workspace, employee_key=employee_key, actor=member.actor
        )
        setup_is_over = (await onboarding.progress(session)).is_over
    log.info("slack_connected", tenant_id=str(member.tenant_id), team_id=workspace.team_id)
    said = f"{workspace.name} is connected{' again' if was_there else ''}."
    to = f"{_channels(member)}/{connection_id}" if setup_is_over else f"/t/{member.tenant_slug}/setup"
    return redirect(request, to, toast=Toast(said))


@router.get("/t/{tenant}/channels/slack/app")
async def show_app(request: Request, member: Editor) -> Response:
    settings = services(request).settings
    manifest = slack_app.manifest(gateway_url=settings.gateway_address, portal_url=settings.portal_address)
    written = json.dumps(manifest, indent=2)
    return render(
        request,
        "pages/channels/slack_app.html",
        manifest=written,
        create=f"{_NEW_APP}{quote(json.dumps(manifest, separators=(',', ':')))}",
        lacks=setup.slack(settings),
        callback=slack_app.callback(settings.portal_address),
    )


async def _ask(
    request: Request,
    member: Member,
    *,
    status: int = 200,
    errors: dict[str, str] | None = None,
    chosen: UUID | None = None,
) -> Response:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        employees = choosable(await overview.employees(session))
    let_form_lead_to_slack(request)
    return render(
        request,
        "pages/channels/slack_connect.html",
        status,
        employees=employees,
        chosen=str(chosen) if chosen else None,
        lacks=setup.slack(here.settings),
        errors=errors or {},
    )


def let_form_lead_to_slack(request: Request) -> None:
    slack = urlsplit(services(request).settings.slack_api_url)
    allow_form_target(request, f"{slack.scheme}://{slack.netloc}")


def _channels(member: Member) -> str:
    return f"/t/{member.tenant_slug}/channels"
