"""Keys with which programs of a tenant use the REST API: made, shown once, listed and revoked."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from konstruct import api_keys
from konstruct.errors import BadInput, Conflict
from portal.access import Member, may
from portal.api_scopes import GROUPS, PRESETS, preset
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}")

Reader = Annotated[Member, Depends(may("api_keys.read"))]
Editor = Annotated[Member, Depends(may("api_keys.edit", recent=True))]


@router.get("/settings/api-keys")
async def show(request: Request, member: Reader) -> Response:
    return await _page(request, member)


@router.get("/settings/api-keys/new")
async def ask(
    request: Request, member: Annotated[Member, Depends(may("api_keys.edit"))], preset: str = "", name: str = ""
) -> Response:
    """``preset``: a usual choice, which is ticked already."""
    chosen = next((each.scopes for each in PRESETS if each.key == preset), ())
    return _form(request, member, name=name, scopes=chosen)


@router.post("/settings/api-keys/new")
async def create(
    request: Request,
    member: Editor,
    name: Annotated[str, Form()] = "",
    scope: Annotated[list[str] | None, Form()] = None,
) -> Response:
    scopes = scope or []
    if not scopes:
        errors = {"scope": "Choose at least one thing that the key may do."}
        return _form(request, member, 422, name=name, scopes=scopes, errors=errors)
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            key = await api_keys.make(session, member.tenant_id, name.strip(), scopes, actor=member.actor)
    except (BadInput, Conflict) as error:
        return _form(request, member, 422, name=name, scopes=scopes, errors={"name": str(error)})
    # Not after a redirect: it is in this answer and nowhere else.
    return render(
        request, "pages/api_keys/made.html", name=name.strip(), key=key.get_secret_value(), base_url=_gateway(request)
    )


@router.post("/settings/api-keys/{name}/revoke")
async def revoke(request: Request, member: Editor, name: str, confirmation: Annotated[str, Form()] = "") -> Response:
    if confirmation.strip() != name:
        return await _page(request, member, 422, wrong=name)
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await api_keys.revoke(session, member.tenant_id, name, actor=member.actor)
    return redirect(
        request, f"/t/{member.tenant_slug}/settings/api-keys", toast=Toast(f"{name} opens nothing any more.")
    )


async def _page(request: Request, member: Member, status: int = 200, *, wrong: str | None = None) -> Response:
    """``wrong``: the key whose name was to be typed, and was not."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        found = await api_keys.listing(session)
    if wrong is not None and wrong not in {key.name for key in found if key.revoked_at is None}:
        raise HTTPException(404)
    return render(
        request,
        "pages/api_keys/list.html",
        status,
        preset=preset,
        keys=[key for key in found if key.revoked_at is None],
        revoked=[key for key in found if key.revoked_at is not None],
        wrong=wrong,
    )


def _form(request: Request, member: Member, status: int = 200, **filled: Any) -> Response:
    return render(request, "pages/api_keys/new.html", status, groups=GROUPS, presets=PRESETS, **filled)


def _gateway(request: Request) -> str:
    return services(request).settings.gateway_address
