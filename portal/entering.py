"""Letting somebody in who has shown who they are, in whichever way, and what their browser holds for it."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import Response

from konstruct.accounts import sessions, signing_in
from konstruct.settings import Settings
from portal import access, proving
from portal.rendering import Toast, redirect
from portal.services import services

DEVICE: Final = "__Host-konstruct-device"
"""By which a browser is known again that somebody has signed in with."""
_KNOWN_FOR: Final = 400 * 24 * 60 * 60

Text = Annotated[str, Form()]
"""What was typed into a field of a form; one that was left out is empty."""


async def let_in(
    request: Request, user_id: UUID, *, factor: str, to: str = "/", toast: Toast | None = None
) -> Response:
    """Begins a session in this browser and goes on; one that the browser had before ends. Whoever has a second factor
    is asked for it first.

    Args:
        factor: How the person has shown who they are, such as ``password``.
        to: Where they go on to, which must be a path of the portal.
    """
    second = await proving.ask_for_second(request, user_id, factor=factor, to=to, toast=toast)
    if second is not None:
        return second
    found = services(request)
    held = request.cookies.get(access.COOKIE)
    before = await sessions.find(found.database, held) if held else None
    if before is not None:
        async with found.database.account_session(before.user_id) as session:
            await sessions.end(session, before.session_id)
    token, known_by = await signing_in.enter(
        found.database, user_id, access.client(request), factor=factor, device=request.cookies.get(DEVICE)
    )
    response = redirect(request, access.local_path(to), toast=toast)
    access.keep_session(response, token)
    if known_by is not None:
        know_again(response, known_by)
    return response


def know_again(response: Response, token: str) -> None:
    response.set_cookie(DEVICE, token, max_age=_KNOWN_FOR, secure=True, httponly=True, samesite="lax", path="/")


def shows_mails(settings: Settings) -> bool:
    """Whether mails are shown at /dev/mail: on a machine that nobody else reaches, where they cannot be sent."""
    return settings.dev_mail and settings.smtp_url is None and settings.portal_host in ("127.0.0.1", "::1", "localhost")


def can_mail(settings: Settings) -> bool:
    return settings.smtp_url is not None or shows_mails(settings)
