"""Taking an invitation up: with the account that one is signed in with, with one that exists, or with a new one."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct.accounts import inviting, sessions, throttle
from konstruct.accounts.inviting import Invited
from konstruct.errors import BadInput, Conflict, NotAllowed, NotFound, OverPlan, TooMany
from portal import access
from portal.access import Person, anybody, visitor
from portal.entering import Text, let_in
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/invitations", dependencies=[Depends(anybody())])


@router.get("/{token}")
async def show(request: Request, token: str) -> Response:
    try:
        invited = await inviting.open_link(services(request).database, token)
    except NotFound as error:
        return render(request, "pages/verification/spent.html", 404, says=str(error))
    return _page(request, token, invited, await visitor(request))


@router.post("/{token}")
async def accept(
    request: Request, token: str, name: Text = "", password: Text = "", time_zone: Text = "UTC"
) -> Response:
    found = services(request)
    person = await visitor(request)
    try:
        invited = await inviting.open_link(found.database, token)
        if person is not None:
            return await _join(request, invited, person)
        if invited.has_account:
            return redirect(request, f"/sign-in?next=/invitations/{token}")
        await throttle.chosen_password(found.limiter, invited.invitation_id)
        user_id = await inviting.accept_anew(found.database, found.passwords, invited, name, password, time_zone)
    except NotFound as error:
        return render(request, "pages/verification/spent.html", 404, says=str(error))
    except NotAllowed:
        return _page(request, token, invited, person, status=403)
    except BadInput as error:
        field = "password" if name.strip() and "assword" in str(error) else "name"
        return _page(request, token, invited, None, name, {field: str(error)}, 422)
    except (Conflict, TooMany, OverPlan) as error:
        return _page(request, token, invited, person, name, {"": str(error)}, error.status)
    return await let_in(
        request,
        user_id,
        factor="password",
        to=f"/t/{invited.slug}/home",
        toast=Toast(f"Welcome to {invited.business}."),
    )


async def _join(request: Request, invited: Invited, person: Person) -> Response:
    database = services(request).database
    await inviting.accept(database, invited, person.user_id, person.email)
    # What the session may do has changed.
    async with database.account_session(person.user_id) as session:
        token = await sessions.renew(session, person.session_id)
    response = redirect(request, f"/t/{invited.slug}/home", toast=Toast(f"Welcome to {invited.business}."))
    if token is not None:
        access.keep_session(response, token)
    return response


def _page(
    request: Request,
    token: str,
    invited: Invited,
    person: Person | None,
    name: str = "",
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    return render(
        request,
        "pages/invitations/invitation.html",
        status,
        token=token,
        invited=invited,
        person=person,
        name=name,
        errors=errors or {},
    )
