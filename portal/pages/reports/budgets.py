"""What a business means to spend on models in a month, and what is to happen when it is spent."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct.budgets import alerts
from konstruct.budgets import terms as budgets
from konstruct.connecting import overview
from konstruct.errors import Mistakes
from konstruct.tables.base import utc_now
from portal import report_words
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/usage/budgets")

Editor = Annotated[Member, Depends(may("budgets.edit"))]


@router.get("")
async def show(request: Request, member: Editor) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        kept = await budgets.read(session)
    written = {f"employees.{key}": f"{amount:f}" for key, amount in kept.employees.items()}
    written["when_spent"] = kept.when_spent
    if kept.business is not None:
        written[budgets.BUSINESS] = f"{kept.business:f}"
    return await _page(request, member, written)


@router.post("")
async def change(request: Request, member: Editor) -> Response:
    form, found = await request.form(), services(request)
    written = {
        name: value
        for name, value in form.items()
        if isinstance(value, str) and (name in (budgets.BUSINESS, "when_spent") or name.startswith("employees."))
    }
    try:
        async with found.database.tenant_session(member.tenant_id) as session:
            await budgets.change(session, member.tenant_id, written, actor=member.actor)
            await alerts.look(session, utc_now())
    except Mistakes as mistakes:
        return await _page(request, member, written, mistakes.fields)
    found.mail_is_due.set()
    return redirect(request, f"/t/{member.tenant_slug}/usage", toast=Toast("Budgets saved."))


async def _page(
    request: Request, member: Member, written: Mapping[str, str], errors: Mapping[str, str] | None = None
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        month = await budgets.month(session, utc_now())
        known = await overview.employees(session)
    spent = {each.key: each.spent for each in month.employees}
    return render(
        request,
        "pages/reports/budgets.html",
        422 if errors else 200,
        month=month,
        employees=[each for each in known if not each.is_archived or written.get(f"employees.{each.key}")],
        spent=spent,
        written=written,
        errors=errors or {},
        words=report_words,
    )
