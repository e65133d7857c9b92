"""HTTP tools as a form: made and altered, with rows that come and go before anything is saved."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.responses import Response

from konstruct.errors import Mistakes
from konstruct.tools import defining, editing
from portal import tool_words
from portal.access import Member
from portal.pages.employees.form import text
from portal.pages.tools import http_form
from portal.pages.tools.http_form import Row, Typed
from portal.pages.tools.listing import Editor, url
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/tools")


@router.get("/new/http")
async def new(request: Request, member: Editor) -> Response:
    return _form(request, None, Typed(rows=(Row(),)))


@router.post("/new/http")
async def create(request: Request, member: Editor) -> Response:
    return await _put(request, member, None)


@router.post("/new/http/edit")
async def edit_new(request: Request, member: Editor) -> Response:
    return await _edited(request, member, None)


@router.get("/{tool}/edit")
async def ask(request: Request, member: Editor, tool: str) -> Response:
    typed, last_four = await _kept(request, member, tool)
    return _form(request, tool, typed, last_four=last_four)


@router.post("/{tool}/edit")
async def keep(request: Request, member: Editor, tool: str) -> Response:
    return await _put(request, member, tool)


@router.post("/{tool}/edit/rows")
async def edit(request: Request, member: Editor, tool: str) -> Response:
    return await _edited(request, member, tool)


async def _put(request: Request, member: Member, key: str | None) -> Response:
    async with request.form(max_fields=500) as form:
        typed = http_form.read(form)
        secret = text(form, "secret")
    last_four = (await _kept(request, member, key))[1] if key else None
    if typed.problems:
        return _form(request, key, typed, typed.problems, last_four=last_four)
    reached = services(request)
    try:
        async with reached.database.tenant_session(member.tenant_id) as session:
            made = await editing.put(
                session,
                reached.vault,
                member.tenant_id,
                key or typed.key,
                "http",
                typed.wanted(),
                secret=SecretStr(secret) if secret and typed.auth != "none" else None,
                is_new=key is None,
                actor=member.actor,
            )
    except Mistakes as error:
        return _form(request, key, typed, error.fields, last_four=last_four)
    told = "The tool is there. Try it out, then give it to an employee." if key is None else "The tool is saved."
    return redirect(request, url(member, made.key), toast=Toast(told))


async def _edited(request: Request, member: Member, key: str | None) -> Response:
    """The form with a row more, or less, or otherwise; nothing is saved."""
    async with request.form(max_fields=500) as form:
        typed = http_form.edited(http_form.read(form), text(form, "edit"))
    last_four = (await _kept(request, member, key))[1] if key else None
    told = {name: typed.problems[name] for name in ("parameters",) if name in typed.problems and typed.schema}
    return _form(request, key, typed, told, last_four=last_four, status=200)


async def _kept(request: Request, member: Member, key: str) -> tuple[Typed, str | None]:
    reached = services(request)
    async with reached.database.tenant_session(member.tenant_id) as session:
        tool = await defining.called(session, key)
        last_four = await editing.last_four(session, reached.vault, tool)
    if tool.kind != "http":
        raise HTTPException(404)
    return http_form.of(tool), last_four


def _form(
    request: Request,
    key: str | None,
    typed: Typed,
    errors: Mapping[str, str] | None = None,
    *,
    last_four: str | None = None,
    status: int | None = None,
) -> Response:
    shown = {name: told for name, told in (errors or {}).items() if name != "schema"}
    return render(
        request,
        "pages/tools/http_form.html",
        status or (422 if errors else 200),
        key=key,
        typed=typed,
        last_four=last_four,
        methods=[(each, each) for each in http_form.METHODS],
        types=http_form.TYPES,
        auths=http_form.AUTHS,
        words=tool_words,
        errors=shown,
    )
