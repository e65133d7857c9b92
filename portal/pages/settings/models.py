"""A tenant's own keys of providers of models: shown without themselves, tried before they are kept, and removed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast, get_args

from fastapi import APIRouter, Depends, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from konstruct import models
from konstruct.accounts import team
from konstruct.model_keys import keeping, trying
from konstruct.model_keys.keeping import Candidate, Provider
from konstruct.model_keys.trying import NAMES, Trouble
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/settings/models")

Reader = Annotated[Member, Depends(may("keys.read"))]
Editor = Annotated[Member, Depends(may("keys.edit", recent=True))]


@dataclass(frozen=True)
class Card:
    provider: Provider
    name: str
    own: keeping.Shown | None
    added_by: str
    has_ours: bool
    """Whether the deployment has access of its own."""


@router.get("")
async def show(request: Request, member: Reader) -> Response:
    return await _page(request, member)


@router.get("/{provider}")
async def ask(
    request: Request, member: Annotated[Member, Depends(may("keys.edit", recent=True))], provider: str
) -> Response:
    return await _form(request, member, _known(provider))


@router.post("/{provider}")
async def keep(
    request: Request,
    member: Editor,
    provider: str,
    api_key: Annotated[str, Form()] = "",
    base_url: Annotated[str, Form()] = "",
    falls_back: Annotated[str, Form()] = "",
) -> Response:
    known, reached = _known(provider), services(request)
    given = keeping.typed(known, api_key, base_url, falls_back=bool(falls_back))
    async with reached.database.tenant_session(member.tenant_id) as session:
        given = await keeping.completed(session, reached.vault, given)
    # What somebody typed is kept in the form, but for the key.
    if (trouble := await _try(request, member, given)) is not None:
        return await _form(request, member, known, trouble, base_url, falls_back=bool(falls_back))
    async with reached.database.tenant_session(member.tenant_id) as session:
        await keeping.keep(session, reached.vault, member.tenant_id, given, actor=member.actor)
    toast = Toast(f"{NAMES[known]} works, and is asked with your own access from now on.")
    return redirect(request, f"/t/{member.tenant_slug}/settings/models", toast=toast)


@router.post("/{provider}/test")
async def test(request: Request, member: Editor, provider: str) -> Response:
    known, reached = _known(provider), services(request)
    async with reached.database.tenant_session(member.tenant_id) as session:
        kept = await keeping.candidate(session, reached.vault, known)
    trouble = await _try(request, member, kept)
    if trouble is None or trouble.is_refusal:
        async with reached.database.tenant_session(member.tenant_id) as session:
            why = trouble.sentence if trouble else None
            await keeping.note_tested(session, known, why, actor=member.actor)
    toast = Toast(trouble.sentence, "error") if trouble else Toast(f"{NAMES[known]} answered: your access works.")
    return redirect(request, f"/t/{member.tenant_slug}/settings/models", toast=toast)


@router.post("/{provider}/remove")
async def remove(
    request: Request, member: Editor, provider: str, confirmation: Annotated[str, Form()] = ""
) -> Response:
    known = _known(provider)
    if confirmation.strip() != known:
        return await _page(request, member, 422, wrong=known)
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await keeping.remove(session, known, actor=member.actor)
    toast = Toast(f"Your own access to {NAMES[known]} was removed.")
    return redirect(request, f"/t/{member.tenant_slug}/settings/models", toast=toast)


async def _try(request: Request, member: Member, given: Candidate) -> Trouble | None:
    used = services(request)
    return await trying.try_for(
        used.database, used.limiter, member.tenant_id, given, used.settings, used.web, used.vendors
    )


async def _page(request: Request, member: Member, status: int = 200, *, wrong: Provider | None = None) -> Response:
    cards = await _cards(request, member)
    return render(request, "pages/settings/models.html", status, cards=cards, wrong=wrong)


async def _cards(request: Request, member: Member) -> list[Card]:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        kept = {each.provider: each for each in await keeping.shown(session)}
        people = {f"user:{each.user_id}": each.name for each in await team.members(session)}
    ours = models.providers(services(request).settings)
    return [
        Card(
            provider,
            NAMES[provider],
            own := kept.get(provider),
            _name_of(own.created_by, people) if own else "",
            provider in ours,
        )
        for provider in cast(tuple[Provider, ...], get_args(Provider))
    ]


def _name_of(actor: str, people: Mapping[str, str]) -> str:
    if actor.startswith("api:"):
        return f"The API key {actor.removeprefix('api:')}"
    return people.get(actor, "Somebody who is not in the team any more")


async def _form(
    request: Request,
    member: Member,
    provider: Provider,
    trouble: Trouble | None = None,
    base_url: str | None = None,
    *,
    falls_back: bool = False,
) -> Response:
    [card] = [card for card in await _cards(request, member) if card.provider == provider]
    return render(
        request,
        "pages/settings/model_key.html",
        422 if trouble else 200,
        card=card,
        base_url=card.own.base_url if base_url is None and card.own else base_url,
        falls_back=card.own.falls_back if base_url is None and card.own else falls_back,
        errors={trouble.field: trouble.sentence} if trouble else {},
    )


def _known(provider: str) -> Provider:
    if provider not in get_args(Provider):
        raise HTTPException(404)
    return cast(Provider, provider)
