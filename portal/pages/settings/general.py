"""What a tenant says of itself: name and time zone, its models in order, limits, and where approvals are asked for."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import limits, models, tenant_settings
from konstruct.errors import Mistakes
from konstruct.model_keys import keeping
from konstruct.models import prices
from konstruct.models.links import PROVIDERS
from konstruct.tenant_settings import Kept, in_words
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/settings")

Editor = Annotated[Member, Depends(may("settings.edit"))]

MORE_MODELS: Final = 2
"""So many empty fields there are for more of them."""
_SCOPES: Final = (
    ("contact", "From one contact"),
    ("connection", "Through one channel"),
    ("tenant", "For the whole business"),
)


@dataclass(frozen=True)
class Sent:
    """A form that could not be taken: which one, what was typed, and what is wrong with it."""

    form: str
    typed: Mapping[str, Any]
    errors: Mapping[str, str]


@router.get("")
async def show(request: Request, member: Annotated[Member, Depends(may("settings.read"))]) -> Response:
    return await _page(request, member)


@router.post("/basics")
async def change_basics(
    request: Request,
    member: Editor,
    name: Annotated[str, Form()] = "",
    time_zone: Annotated[str, Form()] = "",
) -> Response:
    async def change(session: AsyncSession) -> object:
        return await tenant_settings.change_basics(
            session, member.tenant_id, name=name, time_zone=time_zone.strip(), actor=member.actor
        )

    return await _changed(request, member, "basics", {"name": name, "time_zone": time_zone}, change)


@router.post("/default-models")
async def change_models(
    request: Request, member: Editor, model: Annotated[list[str] | None, Form()] = None
) -> Response:
    named = [each.strip() for each in model or [] if each.strip()]

    async def change(session: AsyncSession) -> object:
        return await tenant_settings.change_models(session, member.tenant_id, named, actor=member.actor)

    return await _changed(request, member, "models", {"models": named}, change)


@router.post("/limits")
async def change_limits(
    request: Request,
    member: Editor,
    contact: Annotated[str, Form()] = "",
    connection: Annotated[str, Form()] = "",
    tenant_: Annotated[str, Form(alias="tenant")] = "",
) -> Response:
    typed = {"contact": contact, "connection": connection, "tenant": tenant_}

    async def change(session: AsyncSession) -> object:
        return await tenant_settings.change_limits(session, member.tenant_id, typed, actor=member.actor)

    return await _changed(request, member, "limits", typed, change)


@router.post("/approvals")
async def change_approvals(
    request: Request,
    member: Editor,
    connection: Annotated[str, Form()] = "",
    channel: Annotated[str, Form()] = "",
    deciders: Annotated[str, Form()] = "",
    expires_after: Annotated[str, Form()] = "",
) -> Response:
    typed = {"connection": connection, "channel": channel, "deciders": deciders, "expires_after": expires_after}
    wanted = {
        "connection": connection or None,
        "channel": channel.strip() or None,
        "deciders": re.split(r"[\s,;]+", deciders.strip()) if deciders.strip() else [],
        "expires_after": expires_after.strip() or None,
    }

    async def change(session: AsyncSession) -> object:
        return await tenant_settings.change_approvals(session, member.tenant_id, wanted, actor=member.actor)

    return await _changed(request, member, "approvals", typed, change)


async def _changed(
    request: Request,
    member: Member,
    form: str,
    typed: Mapping[str, Any],
    change: Callable[[AsyncSession], Awaitable[object]],
) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            changed = await change(session)
    except Mistakes as error:
        return await _page(request, member, Sent(form, typed, error.fields))
    toast = Toast("Saved." if changed else "Nothing was different, so nothing was changed.", "success")
    return redirect(request, f"/t/{member.tenant_slug}/settings", toast=toast)


async def _page(request: Request, member: Member, sent: Sent | None = None) -> Response:
    reached = services(request)
    async with reached.database.tenant_session(member.tenant_id) as session:
        kept = await tenant_settings.read(session)
        workspaces = await tenant_settings.slack_connections(session)
        own = {each.provider for each in await keeping.shown(session)}
    forms = _forms(kept)
    errors: dict[str, Mapping[str, str]] = {name: {} for name in forms}
    if sent is not None:
        forms[sent.form], errors[sent.form] = sent.typed, sent.errors
    named = [*forms["models"]["models"]]
    usable = {*models.providers(reached.settings), *own}
    return render(
        request,
        "pages/settings/general.html",
        422 if sent else 200,
        kept=kept,
        forms=forms,
        wrong=errors,
        zones=sorted(available_timezones()),
        workspaces=workspaces,
        workspace_options=[("", "None"), *((key, key) for key in workspaces)],
        model_fields=[*named, *[""] * MORE_MODELS],
        known_models=[f"{provider}/{name}" for provider in PROVIDERS for name in prices.MODELS.get(provider, {})],
        passed_over=[name for name in named if name.partition("/")[0] not in usable],
        scopes=[(scope, title, limits.describe(limits.DEFAULT_LIMITS[scope])) for scope, title in _SCOPES],
        told={scope: limits.describe(limits.parse(text)) for scope, text in kept.limits.items()},
    )


def _forms(kept: Kept) -> dict[str, Mapping[str, Any]]:
    """What stands in each form before somebody types."""
    approvals = kept.approvals
    seconds = approvals.get("expires_after_seconds")
    return {
        "basics": {"name": kept.name, "time_zone": kept.time_zone},
        "models": {"models": kept.models},
        "limits": {scope: kept.limits.get(scope, "") for scope, _ in _SCOPES},
        "approvals": {
            "connection": approvals.get("connection", ""),
            "channel": approvals.get("channel", ""),
            "deciders": "\n".join(approvals.get("deciders", [])),
            "expires_after": in_words(timedelta(seconds=seconds)) if seconds else "",
        },
    }
