"""Servers of tools, by the Model Context Protocol: connected, asked again, what they offer judged and accepted."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.responses import Response

from konstruct.errors import Mistakes
from konstruct.tools import defining, editing, looking
from konstruct.visible import visible
from portal.access import Member
from portal.pages.employees.form import text
from portal.pages.tools.listing import Editor, page, url
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/tools")

_RISK = "risk:"


@router.get("/new/server")
async def new(request: Request, member: Editor) -> Response:
    return _form(request, None, {"key": "", "url": "", "auth": "bearer", "auth_name": ""})


@router.post("/new/server")
async def create(
    request: Request,
    member: Editor,
    key: Annotated[str, Form()] = "",
    address: Annotated[str, Form(alias="url")] = "",
    auth: Annotated[str, Form()] = "none",
    auth_name: Annotated[str, Form()] = "",
    secret: Annotated[str, Form()] = "",
) -> Response:
    typed = {"key": key.strip(), "url": address.strip(), "auth": auth, "auth_name": auth_name.strip()}
    return await _put(request, member, None, typed, secret.strip())


@router.get("/{tool}/server")
async def ask(request: Request, member: Editor, tool: str) -> Response:
    typed, _, last_four = await _kept(request, member, tool)
    return _form(request, tool, typed, last_four=last_four)


@router.post("/{tool}/server")
async def keep(
    request: Request,
    member: Editor,
    tool: str,
    address: Annotated[str, Form(alias="url")] = "",
    auth: Annotated[str, Form()] = "none",
    auth_name: Annotated[str, Form()] = "",
    secret: Annotated[str, Form()] = "",
) -> Response:
    typed = {"key": tool, "url": address.strip(), "auth": auth, "auth_name": auth_name.strip()}
    return await _put(request, member, tool, typed, secret.strip())


@router.post("/{tool}/check")
async def check(request: Request, member: Editor, tool: str) -> Response:
    reached = services(request)
    async with reached.database.tenant_session(member.tenant_id) as session:
        tool_id = (await looking.request(session, tool)).id
    await looking.start(await reached.temporal(), member.tenant_id, tool_id)
    return redirect(request, url(member, tool))


@router.post("/{tool}/accept")
async def accept(
    request: Request,
    member: Editor,
    tool: str,
    name: Annotated[str, Form()] = "",
    digest: Annotated[str, Form()] = "",
) -> Response:
    """``digest``: of what was looked at; what is offered otherwise by now is refused."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await defining.accept(session, tool, name, digest, member.actor)
    return redirect(request, url(member, tool), toast=Toast(f"{visible(name)} may be used as it is now."))


@router.post("/{tool}/risks")
async def judge(request: Request, member: Editor, tool: str) -> Response:
    async with request.form(max_fields=1_000) as form:
        names = [name for name in form if name.startswith(_RISK)]
        risks = {name.removeprefix(_RISK): text(form, name) for name in names}
    reached = services(request)
    try:
        async with reached.database.tenant_session(member.tenant_id) as session:
            await editing.judge(session, reached.vault, tool, risks, actor=member.actor)
    except Mistakes as error:
        return await page(request, member, tool, status=422, errors=error.fields)
    return redirect(request, url(member, tool), toast=Toast("The risks are saved."))


async def _put(request: Request, member: Member, key: str | None, typed: dict[str, str], secret: str) -> Response:
    known: dict[str, Any] = {}
    last_four: str | None = None
    if key is not None:
        _, known, last_four = await _kept(request, member, key)
    wanted: dict[str, Any] = {"url": typed["url"], "tools": known}
    if typed["auth"] != "none":
        name = {"name": typed["auth_name"] or None} if typed["auth"] == "header" else {}
        wanted["auth"] = {"kind": typed["auth"], **name}
    reached = services(request)
    try:
        async with reached.database.tenant_session(member.tenant_id) as session:
            made = await editing.put(
                session,
                reached.vault,
                member.tenant_id,
                typed["key"],
                "mcp",
                wanted,
                secret=SecretStr(secret) if secret and "auth" in wanted else None,
                is_new=key is None,
                actor=member.actor,
            )
            await session.flush()
            tool_id = made.id
    except Mistakes as error:
        return _form(request, key, typed, error.fields, last_four=last_four)
    await looking.start(await reached.temporal(), member.tenant_id, tool_id)
    told = "The server is asked what it offers." if key is None else "Saved. The server is asked what it offers."
    return redirect(request, url(member, made.key), toast=Toast(told))


async def _kept(request: Request, member: Member, key: str) -> tuple[dict[str, str], dict[str, Any], str | None]:
    """The form's fields, what is known of its tools, and the end of its secret."""
    reached = services(request)
    async with reached.database.tenant_session(member.tenant_id) as session:
        tool = await defining.called(session, key)
        last_four = await editing.last_four(session, reached.vault, tool)
    if tool.kind != "mcp":
        raise HTTPException(404)
    auth = tool.definition.get("auth") or {}
    kind = auth.get("kind", "bearer") if last_four is not None else "none"
    typed = {"key": key, "url": tool.definition["url"], "auth": kind, "auth_name": auth.get("name", "")}
    return typed, tool.definition.get("tools", {}), last_four


def _form(
    request: Request,
    key: str | None,
    typed: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    *,
    last_four: str | None = None,
) -> Response:
    shown = {"auth_name" if name == "auth.name" else name: told for name, told in (errors or {}).items()}
    return render(
        request,
        "pages/tools/server_form.html",
        422 if shown else 200,
        key=key,
        typed=typed,
        last_four=last_four,
        errors=shown,
    )
