"""Channels: which there are, how they are, who serves them, and taking one out of use. Connecting has its own pages."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import connections
from konstruct.connecting import disconnecting, leaving, overview, serving, setup
from konstruct.connecting.overview import Seen, Served
from konstruct.errors import BadInput, KonstructError
from konstruct.identity import ConnectionId
from portal import channel_words
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import Services, services

router = APIRouter(prefix="/t/{tenant}/channels")

Reader = Annotated[Member, Depends(may("channels.read"))]
Editor = Annotated[Member, Depends(may("channels.edit"))]
Typed = Annotated[str, Form()]


@router.get("")
async def list_channels(request: Request, member: Reader) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        every = await overview.every(session)
    channels = [(seen, channel_words.title(seen), channel_words.state(seen)) for seen in every]
    return render(request, "pages/channels/list.html", channels=channels, words=channel_words)


@router.get("/{connection}")
async def show(request: Request, member: Reader, connection: UUID) -> Response:
    return await _page(request, member, connection)


@router.get("/{connection}/heard")
async def heard(request: Request, member: Reader, connection: UUID) -> Response:
    """Asked again and again by the page until something came in."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        seen = await overview.one(session, connection)
    return render(request, "pages/channels/heard.html", seen=seen)


@router.post("/{connection}/serve")
async def serve(request: Request, member: Editor, connection: UUID, employee: Annotated[UUID, Form()]) -> Response:
    return await _change(
        request,
        member,
        connection,
        lambda session: serving.serve(session, ConnectionId(connection), employee, actor=member.actor),
        field="employee",
        done="New conversations are served by whom you chose.",
    )


@router.post("/{connection}/bind")
async def bind(
    request: Request, member: Editor, connection: UUID, employee: Annotated[UUID, Form()], channel: Typed = ""
) -> Response:
    typed = channel.strip()
    return await _change(
        request,
        member,
        connection,
        lambda session: serving.bind(session, ConnectionId(connection), typed, employee, actor=member.actor),
        field="channel",
        done=f"{typed} has its own employee now.",
        typed={"channel": typed, "bound": employee},
    )


@router.post("/{connection}/unbind")
async def unbind(request: Request, member: Editor, connection: UUID, channel: Typed = "") -> Response:
    here = f"/t/{member.tenant_slug}/channels/{connection}"
    async with services(request).database.tenant_session(member.tenant_id) as session:
        employee = await serving.unbind(session, ConnectionId(connection), channel, actor=member.actor)
    undo = f"{here}/bind?{urlencode({'channel': channel, 'employee': employee})}" if employee else None
    return redirect(request, here, toast=Toast(f"{channel} is served as the rest is.", undo=undo))


@router.post("/{connection}/describe")
async def describe(request: Request, member: Editor, connection: UUID, functions: Typed = "") -> Response:
    async def note(session: AsyncSession) -> None:
        lines = serving.read_functions(functions)
        await serving.describe(session, ConnectionId(connection), lines, actor=member.actor)

    return await _change(
        request,
        member,
        connection,
        note,
        field="functions",
        done="What it is for is saved.",
        typed={"functions": functions},
    )


@router.post("/{connection}/disconnect")
async def disconnect(request: Request, member: Editor, connection: UUID, confirmation: Typed = "") -> Response:
    """The channel is told first; what it says then changes nothing about that we are done with it."""
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        seen = await overview.one(session, connection)
        account = await connections.open_account(session, here.vault, seen.connection_id)
    name = channel_words.title(seen)
    if confirmation.strip() != name:
        return await _page(request, member, connection, status=422, errors={"confirmation": f"Type {name} to go on."})
    trouble = await leaving.leave(here.database, here.slack_oauth, here.whatsapp_accounts, account)
    async with here.database.tenant_session(member.tenant_id) as session:
        await disconnecting.disconnect(session, seen.connection_id, actor=member.actor)
    said = Toast(f"{name} is disconnected.") if trouble is None else Toast(trouble, "warning")
    return redirect(request, f"/t/{member.tenant_slug}/channels", toast=said)


async def _change(
    request: Request,
    member: Member,
    connection: UUID,
    change: Callable[[AsyncSession], Awaitable[None]],
    *,
    field: str,
    done: str,
    typed: dict[str, object] | None = None,
) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            await change(session)
    except KonstructError as error:
        if error.status >= 500 or error.status == 404:
            raise
        status = 422 if isinstance(error, BadInput) else error.status
        return await _page(request, member, connection, status=status, errors={field: str(error)}, typed=typed)
    return redirect(request, f"/t/{member.tenant_slug}/channels/{connection}", toast=Toast(done))


async def _page(
    request: Request,
    member: Member,
    connection: UUID,
    *,
    status: int = 200,
    errors: dict[str, str] | None = None,
    typed: dict[str, object] | None = None,
) -> Response:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        seen = await overview.one(session, connection)
        employees = choosable(await overview.employees(session))
    verify_token = here.settings.whatsapp_verify_token
    return render(
        request,
        "pages/channels/channel.html",
        status,
        seen=seen,
        title=channel_words.title(seen),
        state=channel_words.state(seen),
        words=channel_words,
        employees=employees,
        lacks=_lacks(here, seen),
        webhook=f"{here.settings.gateway_address}/whatsapp",
        verify_token=verify_token.get_secret_value() if verify_token and member.may("channels.edit") else None,
        typed=typed or {},
        errors=errors or {},
    )


def choosable(employees: list[Served]) -> list[tuple[str, str]]:
    """As a list of choices takes them."""
    return [(str(served.employee_id), served.name) for served in employees if not served.is_archived]


def _lacks(here: Services, seen: Seen) -> list[setup.Lack]:
    kinds = {"slack": setup.slack, "whatsapp": setup.whatsapp}
    return list(kinds[seen.kind](here.settings)) if seen.kind in kinds else []
