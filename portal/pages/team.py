"""The team of a tenant: who is in it and as what, who is invited, and leaving it."""

from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from konstruct.accounts import factors, fields, inviting, sessions, team, throttle
from konstruct.accounts.permissions import DESCRIPTIONS, ROLES, may_give
from konstruct.errors import BadInput, Conflict, NotAllowed, NotFound, TooMany
from konstruct.tables.base import utc_now
from portal import access, entering
from portal.access import Member, may
from portal.entering import Text
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/team")

Reader = Annotated[Member, Depends(may("team.read"))]
Editor = Annotated[Member, Depends(may("team.edit", recent=True))]

ON_A_PAGE: Final = 50


@router.get("")
async def show(
    request: Request, member: Reader, q: str = "", after: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> Response:
    """``after``: so many of those that are found were on the pages before."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        members = await team.members(session)
        waiting = await inviting.waiting(session) if member.may("team.edit") else []
        with_factor = await factors.of_members(session) if member.may("team.edit") else set()
    words = q.strip().casefold()
    found = [each for each in members if words in each.name.casefold() or words in each.email.casefold()]
    return render(
        request,
        "pages/team/team.html",
        members=found[after : after + ON_A_PAGE],
        found=len(found),
        total=len(members),
        q=q,
        earlier=_page(q, max(0, after - ON_A_PAGE)) if after else None,
        later=_page(q, after + ON_A_PAGE) if after + ON_A_PAGE < len(found) else None,
        waiting=waiting,
        with_factor=with_factor,
        now=utc_now(),
        roles=[role for role in ROLES if may_give(member.role, role)],
        descriptions=DESCRIPTIONS,
        may_give=lambda role: may_give(member.role, role),
        is_only_owner=[each.user_id for each in members if each.role == "owner"] == [member.user_id],
    )


@router.post("/members/{user_id}/role")
async def change_role(request: Request, member: Editor, user_id: UUID, role: Text = "") -> Response:
    database = services(request).database
    try:
        async with database.tenant_session(member.tenant_id) as session:
            await team.change_role(session, member.tenant_id, member.by, user_id, role)
    except (BadInput, Conflict, NotAllowed, NotFound) as error:
        return _back(request, member, Toast(str(error), "error"))
    response = _back(request, member, Toast(f"The role is {role} now."))
    if user_id == member.user_id:
        async with database.account_session(user_id) as session:
            token = await sessions.renew(session, member.session_id)
        if token is not None:
            access.keep_session(response, token)
    return response


@router.post("/members/{user_id}/remove")
async def remove(request: Request, member: Editor, user_id: UUID) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await team.remove(session, member.tenant_id, member.by, user_id)
    except (Conflict, NotAllowed, NotFound) as error:
        return _back(request, member, Toast(str(error), "error"))
    return _back(request, member, Toast("Removed from the team."))


@router.post("/leave")
async def leave(request: Request, member: Reader) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await team.remove(session, member.tenant_id, member.by, member.user_id)
    except (Conflict, NotFound) as error:
        return _back(request, member, Toast(str(error), "error"))
    return redirect(request, "/", toast=Toast(f"You left {member.tenant_name}."))


@router.get("/invite")
async def ask(request: Request, member: Editor) -> Response:
    return _form(request, member)


@router.post("/invite")
async def invite(request: Request, member: Editor, email: Text = "", role: Text = "agent") -> Response:
    try:
        await _invite(request, member, fields.email(email), role)
    except BadInput as error:
        return _form(request, member, email, role, {"email": str(error)})
    except (Conflict, NotAllowed, TooMany) as error:
        return _form(request, member, email, role, {"": str(error)})
    return _back(request, member, _sent(request, email.strip()))


@router.post("/invitations/{invitation_id}/resend")
async def resend(request: Request, member: Editor, invitation_id: UUID) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            waiting = await inviting.find_waiting(session, invitation_id)
        await _invite(request, member, waiting.email, waiting.role)
    except (Conflict, NotAllowed, NotFound, TooMany) as error:
        return _back(request, member, Toast(str(error), "error"))
    return _back(request, member, _sent(request, waiting.email))


@router.post("/invitations/{invitation_id}/withdraw")
async def withdraw(request: Request, member: Editor, invitation_id: UUID) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await inviting.withdraw(session, member.tenant_id, member.by, invitation_id)
    except (NotAllowed, NotFound) as error:
        return _back(request, member, Toast(str(error), "error"))
    return _back(request, member, Toast("The invitation is withdrawn; its link opens nothing any more."))


async def _invite(request: Request, member: Member, email: str, role: str) -> None:
    found = services(request)
    await throttle.mail(found.limiter, access.client(request), email, by=member.user_id)
    async with found.database.tenant_session(member.tenant_id) as session:
        await inviting.invite(
            session,
            found.vault,
            found.settings.portal_address,
            member.tenant_id,
            member.by,
            member.name,
            email,
            role,
        )
    found.mail_is_due.set()


def _sent(request: Request, email: str) -> Toast:
    where = " On this machine it is at /dev/mail." if entering.shows_mails(services(request).settings) else ""
    return Toast(f"An invitation is on its way to {email}.{where}")


def _page(q: str, after: int) -> str:
    given = {"q": q, "after": after}
    return "?" + urlencode({name: value for name, value in given.items() if value})


def _back(request: Request, member: Member, toast: Toast) -> Response:
    return redirect(request, f"/t/{member.tenant_slug}/team", toast=toast)


def _form(
    request: Request, member: Member, email: str = "", role: str = "agent", errors: dict[str, str] | None = None
) -> Response:
    roles = [
        {"value": each, "title": each.capitalize(), "text": DESCRIPTIONS[each]}
        for each in ROLES
        if may_give(member.role, each)
    ]
    return render(
        request,
        "pages/team/invite.html",
        422 if errors else 200,
        email=email,
        role=role,
        roles=roles,
        errors=errors or {},
    )
