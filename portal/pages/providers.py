"""Signing in, signing up, linking and confirming through somebody else: out to the provider, and back from it."""

from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Depends, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from konstruct.accounts import providing, sessions
from konstruct.accounts.id_tokens import Identity
from konstruct.accounts.oidc import Attempt, CameBack, Provider
from konstruct.accounts.providing import Newcomer
from konstruct.errors import BadInput, Conflict, KonstructError, Misconfigured
from konstruct.tables.base import utc_now
from portal import access, proving
from portal.access import Person, anybody, signed_in, visitor
from portal.entering import let_in
from portal.guard import is_from_our_pages
from portal.rendering import Toast, redirect, render
from portal.services import services

log = structlog.get_logger(__name__)

router = APIRouter()

Purpose = Literal["sign-in", "link", "confirm"]
_SECURITY: Final = "/account/security"


@router.get("/sign-in/with/{key}", dependencies=[Depends(anybody())])
async def sign_in(request: Request, key: str, next: str = "/") -> Response:
    return await _out(request, _provider(request, key), "sign-in", access.local_path(next))


@router.get(_SECURITY + "/providers/{key}")
async def link(request: Request, key: str, person: Annotated[Person, Depends(signed_in(recent=True))]) -> Response:
    provider = _provider(request, key)
    if not is_from_our_pages(request.headers):
        # Another site must not have somebody's accounts linked by sending them here.
        return redirect(request, _SECURITY, toast=Toast(f"Press “Link {provider.name}” to go on.", "info"))
    return await _out(request, provider, "link", _SECURITY, person)


@router.get("/account/confirm/with/{key}")
async def confirm(
    request: Request, key: str, person: Annotated[Person, Depends(signed_in())], next: str = "/"
) -> Response:
    return await _out(request, _provider(request, key), "confirm", access.local_path(next), person)


@router.get("/sign-in/with/{key}/callback", dependencies=[Depends(anybody())])
async def come_back(
    request: Request, key: str, state: str = "", code: str = "", error: str = "", iss: str | None = None
) -> Response:
    provider = _provider(request, key)
    facts = await proving.take(request, "provider")
    if facts is None:
        return redirect(request, "/sign-in", toast=Toast(proving.OVER, "warning"))
    response = await _in(request, provider, facts, CameBack(state, code, error, iss))
    proving.drop(response, "provider")
    return response


@router.get("/sign-up/with", dependencies=[Depends(anybody())])
async def ask(request: Request) -> Response:
    facts = await proving.look(request, "sign-up")
    if facts is None:
        return redirect(request, "/sign-up", toast=Toast(proving.OVER, "warning"))
    return _form(request, facts, name=facts["name"], business="")


@router.post("/sign-up/with", dependencies=[Depends(anybody())])
async def sign_up(
    request: Request,
    name: Annotated[str, Form()] = "",
    business: Annotated[str, Form()] = "",
    time_zone: Annotated[str, Form()] = "UTC",
) -> Response:
    facts = await proving.look(request, "sign-up")
    if facts is None:
        return redirect(request, "/sign-up", toast=Toast(proving.OVER, "warning"))
    try:
        user_id, slug = await providing.sign_up(
            services(request).database,
            Newcomer.of(facts),
            name=name,
            business=None if _is_invited(facts) else business,
            time_zone=time_zone,
            is_billed=services(request).bills,
        )
    except BadInput as error:
        field = "business" if "business" in str(error) else "name"
        return _form(request, facts, 422, name=name, business=business, errors={field: str(error)})
    except Conflict as error:
        return redirect(request, "/sign-in", toast=Toast(str(error), "error"))
    await proving.take(request, "sign-up")
    to = f"/t/{slug}/setup" if slug else facts["to"]
    response = await let_in(request, user_id, factor=f"provider:{facts['provider']}", to=to)
    proving.drop(response, "sign-up")
    return response


def _provider(request: Request, key: str) -> Provider:
    provider = services(request).providers.get(key)
    if provider is None:
        raise HTTPException(404)
    return provider


async def _out(
    request: Request, provider: Provider, purpose: Purpose, to: str, person: Person | None = None
) -> Response:
    known = {"email": person.email} if person else {}
    try:
        url, attempt = await provider.start(_callback(request, provider), anew=purpose == "confirm", **known)
        response = redirect(request, url)
        facts = {"purpose": purpose, "to": to, "session": str(person.session_id) if person else ""}
        await proving.begin(request, response, "provider", {**attempt.facts(), **facts})
    except KonstructError as error:
        return _failed(request, provider, purpose, to, error)
    return response


async def _in(request: Request, provider: Provider, facts: dict[str, str], came: CameBack) -> Response:
    purpose, to = facts["purpose"], facts["to"]
    try:
        who = await provider.finish(Attempt.of(facts), came, _callback(request, provider))
        match purpose:
            case "sign-in":
                return await _signed_in(request, provider, who, to)
            case "link":
                return await _linked(request, provider, who, facts)
        return await _confirmed(request, provider, who, facts)
    except KonstructError as error:
        return _failed(request, provider, purpose, to, error)


async def _signed_in(request: Request, provider: Provider, who: Identity, to: str) -> Response:
    found = services(request)
    site = found.settings.portal_address
    user_id = await providing.account_of(found.database, found.vault, site, provider.key, provider.name, who)
    if user_id is not None:
        found.mail_is_due.set()
        return await let_in(request, user_id, factor=f"provider:{provider.key}", to=to)
    if who.email is None or not who.is_email_proven:
        # The same whether or not there is an account with this address: nobody has shown that it is theirs.
        return render(request, "pages/providers/unlinked.html", 403, provider=provider, email=who.email)
    newcomer = Newcomer(provider.key, who.issuer, who.subject, who.email, who.name or "")
    response = redirect(request, "/sign-up/with")
    await proving.begin(request, response, "sign-up", {**newcomer.facts(), "title": provider.name, "to": to})
    return response


async def _linked(request: Request, provider: Provider, who: Identity, facts: dict[str, str]) -> Response:
    person = await _same(request, facts)
    found = services(request)
    await providing.link(
        found.database, found.vault, found.settings.portal_address, person.user_id, provider.key, provider.name, who
    )
    found.mail_is_due.set()
    return redirect(request, _SECURITY, toast=Toast(f"You can sign in with {provider.name} from now on."))


async def _confirmed(request: Request, provider: Provider, who: Identity, facts: dict[str, str]) -> Response:
    person = await _same(request, facts)
    database = services(request).database
    if who.shown_at is not None and who.shown_at < (utc_now() - sessions.RECENT).timestamp():
        raise Conflict(
            f"{provider.name} did not ask you who you are. Sign out there and try again, or use another way."
        )
    if await providing.is_linked(database, person.user_id, who):
        async with database.account_session(person.user_id) as session:
            token = await sessions.renew(session, person.session_id, factor=f"provider:{provider.key}")
        if token is not None:
            response = redirect(request, facts["to"])
            access.keep_session(response, token)
            return response
    raise Conflict(f"That {provider.name} account is not linked to yours. Use the one that is, or another way.")


async def _same(request: Request, facts: dict[str, str]) -> Person:
    """Whoever set out, if they are still signed in. Raises Conflict."""
    person = await visitor(request)
    if person is None or str(person.session_id) != facts["session"]:
        raise Conflict("You were signed out meanwhile, or signed in as somebody else. Nothing was changed.")
    return person


def _failed(request: Request, provider: Provider, purpose: str, to: str, error: KonstructError) -> Response:
    sentence = str(error)
    if isinstance(error, Misconfigured):
        log.warning("provider_unusable", provider=provider.key, error=sentence)
        sentence = f"{provider.name} is not set up right. Whoever runs this Konstruct finds in the log why."
    back = {"link": _SECURITY, "confirm": f"/account/confirm?{urlencode({'next': to})}"}.get(purpose, "/sign-in")
    return redirect(request, back, toast=Toast(sentence, "error"))


def _callback(request: Request, provider: Provider) -> str:
    return f"{proving.address(request)}/sign-in/with/{provider.key}/callback"


def _is_invited(facts: dict[str, str]) -> bool:
    """Then there is a tenant to join, and none to be made."""
    return facts["to"].startswith("/invitations/")


def _form(request: Request, facts: dict[str, str], status: int = 200, **filled: Any) -> Response:
    return render(request, "pages/providers/sign_up.html", status, facts=facts, is_invited=_is_invited(facts), **filled)
