"""All tools, one of them with who has it, and its end."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct.designs import using
from konstruct.designs.using import User, Users
from konstruct.identity import new_id
from konstruct.tables import Tool
from konstruct.tools import defining, editing, policy
from konstruct.tools.builtin import BUILTINS, CHOOSABLE
from konstruct.visible import visible
from portal import tool_words
from portal.access import Member, may
from portal.pages.tools import http_form
from portal.rendering import Toast, redirect, render
from portal.services import services
from portal.tool_words import State

router = APIRouter(prefix="/t/{tenant}/tools")

Reader = Annotated[Member, Depends(may("tools.read"))]
Editor = Annotated[Member, Depends(may("tools.edit"))]


@dataclass(frozen=True)
class Shown:
    row: Tool
    users: Sequence[User]

    @property
    def state(self) -> State:
        return tool_words.state(self.row)

    @property
    def is_looked_for(self) -> bool:
        return tool_words.is_looked_for(self.row)

    @property
    def where(self) -> str:
        return tool_words.where(self.row)


@router.get("")
async def every(request: Request, member: Reader) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        rows = await defining.listing(session)
        users = await using.users(session)
    return render(
        request,
        "pages/tools/list.html",
        block="own",
        http=[Shown(row, users.of_tool(row.key)) for row in rows if row.kind == "http"],
        servers=[Shown(row, users.of_server(row.key)) for row in rows if row.kind == "mcp"],
        built_in=[(BUILTINS[name], users.of_tool(name)) for name in BUILTINS if name in CHOOSABLE],
        words=tool_words,
    )


@router.get("/{tool}")
async def one(request: Request, member: Reader, tool: str) -> Response:
    return await page(request, member, tool)


@router.post("/{tool}/remove")
async def remove(request: Request, member: Editor, tool: str, confirmation: Annotated[str, Form()] = "") -> Response:
    if confirmation.strip() != tool:
        return await page(request, member, tool, status=422, confirm_error=f"Type {tool} to remove it.")
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await defining.remove(session, tool, member.actor)
    return redirect(request, url(member), toast=Toast(f"{tool} and its secret are gone."))


def url(member: Member, tool: str = "") -> str:
    base = f"/t/{member.tenant_slug}/tools"
    return f"{base}/{tool}" if tool else base


async def page(request: Request, member: Member, key: str, *, status: int = 200, **more: Any) -> Response:
    """``more``: what an act has to say."""
    reached = services(request)
    async with reached.database.tenant_session(member.tenant_id) as session:
        row = await defining.called(session, key)
        users = await using.users(session)
        last_four = await editing.last_four(session, reached.vault, row)
    context: dict[str, Any] = {
        "shown": Shown(row, users.of_tool(key) if row.kind == "http" else users.of_server(key)),
        "last_four": last_four,
        "words": tool_words,
        "confirm_error": None,
    }
    if row.kind == "mcp":
        context["offers"] = _offers(row, users)
        return render(request, "pages/tools/server.html", status, block="live", **(context | more))
    # What was typed is kept only where a try came to nothing.
    tried: dict[str, Any] = {"tried": None, "given": {}, "arguments": "{}", "attempt": new_id()}
    return render(
        request,
        "pages/tools/tool.html",
        status,
        request_=row.definition["request"],
        risk=row.definition["risk"],
        description=row.definition["description"],
        acts=policy.acts(row.definition["risk"]),
        parameters=http_form.rows_of(row.definition["request"].get("parameters", {})),
        schema=written(row.definition["request"].get("parameters", {})),
        **(context | tried | more),
    )


@dataclass(frozen=True)
class Offer:
    """One tool of a server: a stranger's words, spelt so that nothing in them hides."""

    name: str
    title: str
    description: str
    parameters: str
    state: str
    risk: str
    users: Sequence[User]
    now: Mapping[str, str] | None = None
    """What it is offered as now, of one that changed: description, parameters and digest."""


def _offers(row: Tool, users: Users) -> list[Offer]:
    found = []
    for name, each in sorted(row.listing.items()):
        offered = each.get("offered")
        now = (
            {
                "description": visible(offered["description"]),
                "parameters": written(offered["parameters"]),
                "digest": offered["digest"],
            }
            if each.get("state") == "changed" and offered
            else None
        )
        found.append(
            Offer(
                name,
                visible(name),
                visible(each["description"]),
                written(each["parameters"]),
                each.get("state", "accepted"),
                tool_words.risk_of(row, name),
                users.of_tool(f"{row.key}/{name}"),
                now,
            )
        )
    # What waits for somebody comes first.
    return sorted(found, key=lambda offer: offer.state != "changed")


def written(value: object) -> str:
    return visible(json.dumps(value, ensure_ascii=False, indent=2))
