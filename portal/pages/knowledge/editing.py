"""Sources as forms: made with their address asked first, altered, and removed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, cast, get_args

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from konstruct.errors import BadInput, Conflict, WebError
from konstruct.knowledge import checking, sources
from konstruct.knowledge.checking import Found
from konstruct.knowledge.sources import Kind, SourceSettings
from konstruct.ports import Limit
from portal import knowledge_words, pacing
from portal.access import Member
from portal.pages.knowledge.sources import Editor, page, shown, start_sync, url
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/knowledge")

_MOST_CHECKS: Final = Limit(30, timedelta(minutes=10))
_KINDS: Final = get_args(Kind)


@dataclass(frozen=True)
class Typed:
    kind: str = "files"
    title: str = ""
    address: str = ""
    every: str = ""
    is_trusted: bool = False

    def settings(self) -> SourceSettings:
        """Raises BadInput."""
        kind = cast(Kind, self.kind)
        if kind == "files":
            return SourceSettings(kind, self.title, is_trusted=self.is_trusted)
        every = sources.interval(self.every) if self.every else None
        return SourceSettings(kind, self.title, self.address, every, self.is_trusted)


@router.get("/new/source")
async def new(request: Request, member: Editor, kind: str = "files") -> Response:
    chosen = kind if kind in _KINDS else "files"
    return _form(request, None, Typed(chosen, every="1 day" if chosen == "sitemap" else ""))


@router.post("/new/source")
async def create(
    request: Request,
    member: Editor,
    kind: Annotated[str, Form()] = "",
    title: Annotated[str, Form()] = "",
    address: Annotated[str, Form()] = "",
    every: Annotated[str, Form()] = "",
    is_trusted: Annotated[bool, Form()] = False,
    anyway: Annotated[bool, Form()] = False,
) -> Response:
    """``anyway``: though nothing came of asking the address."""
    typed = Typed(kind, title.strip(), address.strip(), every.strip(), is_trusted)
    if kind not in _KINDS:
        return _form(request, None, typed, {"kind": "Choose where the documents come from."})
    if not typed.title:
        return _form(request, None, typed, {"title": "Give it a name, so that people know what it is."})
    try:
        wanted = typed.settings()
        sources.check_settings("source", wanted)
    except BadInput as error:
        return _form(request, None, typed, _beside(typed, error))
    found = await _asked(request, member, typed, anyway=anyway)
    if isinstance(found, Response):
        return found
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            key = await sources.add(session, member.tenant_id, wanted, member.actor)
            source_id = await sources.find_id(session, key)
    except Conflict as error:
        return _form(request, None, typed, {"address": str(error)})
    if wanted.kind == "files":
        return redirect(request, url(member, key), toast=Toast("The source is there. Add its first documents."))
    await start_sync(request, member, source_id)
    return redirect(request, url(member, key), toast=Toast(_told(found)))


@router.get("/{source}/edit")
async def ask(request: Request, member: Editor, source: str) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        row = await sources.called(session, source)
    every = knowledge_words.interval(row.sync_every_seconds)
    return _form(request, source, Typed(row.kind, row.title, row.url or "", every, row.is_trusted))


@router.post("/{source}/edit")
async def keep(
    request: Request,
    member: Editor,
    source: str,
    title: Annotated[str, Form()] = "",
    address: Annotated[str, Form()] = "",
    every: Annotated[str, Form()] = "",
    is_trusted: Annotated[bool, Form()] = False,
    anyway: Annotated[bool, Form()] = False,
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        row = await sources.called(session, source)
    typed = Typed(row.kind, title.strip(), address.strip(), every.strip(), is_trusted)
    if not typed.title:
        return _form(request, source, typed, {"title": "Give it a name, so that people know what it is."})
    try:
        wanted = typed.settings()
        sources.check_settings(source, wanted)
    except BadInput as error:
        return _form(request, source, typed, _beside(typed, error))
    if typed.address != (row.url or ""):
        found = await _asked(request, member, typed, key=source, anyway=anyway)
        if isinstance(found, Response):
            return found
    async with services(request).database.tenant_session(member.tenant_id) as session:
        changed = await sources.put(session, member.tenant_id, source, wanted, member.actor)
    if {"url", "sync_every_seconds"} & set(changed) and row.kind != "files":
        await start_sync(request, member, row.id)
    return redirect(request, url(member, source), toast=Toast("Saved." if changed else "It was so already."))


@router.post("/{source}/remove")
async def remove(request: Request, member: Editor, source: str, confirmation: Annotated[str, Form()] = "") -> Response:
    """With all its documents, for who types its key, if it has any."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        found = await shown(session, source)
        is_meant = not found.documents or confirmation.strip() == source
        if is_meant:
            await sources.remove(session, member.tenant_id, source, member.actor)
    if not is_meant:
        return await page(request, member, source, status=422, confirm_error=f"Type {source} to remove it.")
    return redirect(request, url(member), toast=Toast(f"“{found.row.title}” and its documents are gone."))


async def _asked(
    request: Request, member: Member, typed: Typed, *, key: str | None = None, anyway: bool
) -> Found | Response | None:
    """What is at the address; the form again where it is of no use. None of what has no address."""
    if typed.kind == "files":
        return None
    await pacing.count(request, member, "addresses", _MOST_CHECKS, "Addresses were tried very often just now.")
    kind = cast(Any, typed.kind)
    try:
        return await checking.check(services(request).web, kind, typed.address)
    except WebError as error:
        if anyway and error.retryable:
            return None
        return _form(request, key, typed, {"address": str(error)}, may_keep=error.retryable)
    except BadInput as error:
        return _form(request, key, typed, {"address": str(error)})


def _told(found: Found | None) -> str:
    if found is None:
        return "The source is there. It is read as soon as its site answers."
    return "The source is there, and is being read." if found.pages == 1 else f"{found.pages:,} pages are being read."


def _beside(typed: Typed, error: BadInput) -> dict[str, str]:
    """The field that it is about: what a title or an interval must be is told in sentences with that word in them."""
    told = str(error)
    if "title" in told:
        return {"title": f"The name must be one line of at most {sources.LONGEST_TITLE} characters."}
    if "interval" in told or "synchronised" in told:
        return {"every": "Choose how often, from every 15 minutes to once a year."}
    return {"address": f"Enter the whole address of the {'page' if typed.kind == 'page' else 'site'}, with https://."}


def _form(
    request: Request,
    key: str | None,
    typed: Typed,
    errors: Mapping[str, str] | None = None,
    *,
    may_keep: bool = False,
) -> Response:
    return render(
        request,
        "pages/knowledge/form.html",
        422 if errors else 200,
        key=key,
        typed=typed,
        intervals=knowledge_words.intervals(typed.every),
        may_keep=may_keep,
        errors=errors or {},
        words=knowledge_words,
    )
