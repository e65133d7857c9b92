"""The end of a tenant: what goes is shown first, and done when its short name was typed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct import deletion
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/settings/delete")

Owner = Annotated[Member, Depends(may("tenant.delete", recent=True))]


@router.get("")
async def show(request: Request, member: Owner) -> Response:
    return await _page(request, member)


@router.post("")
async def delete(request: Request, member: Owner, confirmation: Annotated[str, Form()] = "") -> Response:
    if confirmation.strip() != member.tenant_slug:
        return await _page(request, member, wrong=f"Type {member.tenant_slug} to go on.")
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await deletion.begin(session, member.tenant_id, actor=member.actor)
    toast = Toast(f"{member.tenant_name} was deleted. What is left of it goes within minutes.")
    return redirect(request, "/", toast=toast)


async def _page(request: Request, member: Member, *, wrong: str | None = None) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        amount = await deletion.preview(session)
    return render(request, "pages/settings/deleting.html", 422 if wrong else 200, amount=amount, wrong=wrong)
