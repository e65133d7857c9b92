"""How a person signs in: what there is of it on one page, and recovery codes; what a tenant demands of everybody."""

from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Form, Request
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct.accounts import factors, letters, linked_accounts, mails, passkeys, recovery_codes, tenant_factors
from konstruct.errors import Conflict, NotFound
from portal import access
from portal.access import Member, Person, may, signed_in
from portal.rendering import Toast, redirect, render
from portal.services import services

log = structlog.get_logger(__name__)

router = APIRouter()

Known = Annotated[Person, Depends(signed_in())]
Confirmed = Annotated[Person, Depends(signed_in(recent=True))]

HERE = "/account/security"


@router.get(HERE)
async def show(request: Request, person: Known) -> Response:
    return await page(request, person)


@router.get("/account/second-factor-needed")
async def needed(request: Request, person: Known, next: str = "/") -> Response:
    demanding = [seat.name for seat in person.seats if seat.requires_second_factor]
    to = access.local_path(next)
    async with services(request).database.account_session(person.user_id) as session:
        held = await factors.held(session, person.user_id)
    if held.has_second or not demanding:
        return redirect(request, to)
    return render(request, "pages/security/needed.html", demanding=demanding, suggestion=access.client(request).browser)


@router.get("/account/security/recovery-codes")
async def ask_codes(request: Request, person: Confirmed) -> Response:
    async with services(request).database.account_session(person.user_id) as session:
        held = await factors.held(session, person.user_id)
    if not held.has_second:
        return redirect(request, HERE, toast=Toast("Add an app or a passkey first.", "info"))
    return render(request, "pages/security/ask_codes.html", held=held)


@router.post("/account/security/recovery-codes")
async def replace_codes(request: Request, person: Confirmed) -> Response:
    async with services(request).database.account_session(person.user_id) as session:
        if not (await factors.held(session, person.user_id)).has_second:
            return redirect(request, HERE, toast=Toast("Add an app or a passkey first.", "info"))
        codes = await recovery_codes.replace(session, person.user_id)
        tell(request, session, person, "the recovery codes of your account were replaced")
    return codes_page(request, codes, "Your old recovery codes open nothing any more.")


@router.post("/account/security/providers/{account_id}/unlink")
async def unlink(request: Request, person: Confirmed, account_id: UUID) -> Response:
    found = services(request)
    try:
        async with found.database.account_session(person.user_id) as session:
            factors.require_other_way(await factors.held(session, person.user_id))
            key = await linked_accounts.unlink(session, person.user_id, account_id)
            provider = found.providers.get(key)
            title = provider.name if provider else key
            tell(request, session, person, f"your {title} account no longer opens your account at Konstruct")
    except (Conflict, NotFound) as error:
        return redirect(request, HERE, toast=Toast(str(error), "error"))
    return redirect(request, HERE, toast=Toast(f"{title} opens this account no more."))


@router.get("/t/{tenant}/settings/security")
async def show_tenants(request: Request, member: Annotated[Member, Depends(may("settings.read"))]) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        team = await tenant_factors.standing(session)
    return render(request, "pages/security/tenant.html", team=team)


@router.post("/t/{tenant}/settings/security")
async def change_tenants(
    request: Request,
    member: Annotated[Member, Depends(may("settings.edit", recent=True))],
    required: Annotated[bool, Form()] = False,
) -> Response:
    back = f"/t/{member.tenant_slug}/settings/security"
    database = services(request).database
    if required and not await factors.has_second(database, member.user_id):
        says = "Add a second factor to your own account first, or you would lock yourself out."
        return redirect(request, back, toast=Toast(says, "error"))
    async with database.tenant_session(member.tenant_id) as session:
        await tenant_factors.require(session, member.tenant_id, required, actor=member.actor)
    says = "From now on everybody needs a second factor." if required else "A second factor is everybody's own choice."
    return redirect(request, back, toast=Toast(says))


async def page(
    request: Request, person: Person, status: int = 200, *, errors: dict[str, str] | None = None, **filled: Any
) -> Response:
    found = services(request)
    async with found.database.account_session(person.user_id) as session:
        shown: dict[str, Any] = {
            "held": await factors.held(session, person.user_id),
            "passkeys": await passkeys.listing(session, person.user_id),
            "linked": await linked_accounts.listing(session, person.user_id),
        }
    providers = found.providers
    return render(
        request,
        "pages/security/show.html",
        status,
        errors=errors or {},
        titles={key: provider.name for key, provider in providers.items()},
        suggestion=filled.get("name", access.client(request).browser),
        **shown,
    )


def codes_page(request: Request, codes: list[SecretStr], lead: str) -> Response:
    """Not after a redirect: they are in this answer and nowhere else."""
    return render(request, "pages/security/codes.html", codes=[code.get_secret_value() for code in codes], lead=lead)


def tell(request: Request, session: AsyncSession, person: Person, what: str) -> None:
    """Mails the person what was changed, in the transaction that changes it; the log hears of it, too."""
    log.info("account.security_changed", user_id=str(person.user_id), what=what)
    found = services(request)
    where = f"{found.settings.portal_address}{HERE}"
    mails.put(session, found.vault, letters.security_changed(person.email, person.name, what, where))
    found.mail_is_due.set()
