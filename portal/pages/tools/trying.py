"""Trying an HTTP tool out: with arguments that somebody typed, once, and for real."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from konstruct.errors import BadInput, Conflict, TooMany
from konstruct.identity import id_in, new_id
from konstruct.ports import Limit
from konstruct.tools import defining, trying
from portal import pacing
from portal.pages.employees.form import text
from portal.pages.tools import http_form
from portal.pages.tools.http_form import Row
from portal.pages.tools.listing import Editor, page
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/tools")

_ONCE: Final = Limit(1, timedelta(hours=1))
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")


@router.post("/{tool}/try")
async def try_out(request: Request, member: Editor, tool: str) -> Response:
    reached = services(request)
    async with request.form(max_fields=200) as form:
        async with reached.database.tenant_session(member.tenant_id) as session:
            row = await defining.called(session, tool)
        rows = http_form.rows_of(row.definition.get("request", {}).get("parameters", {}))
        given = {name: text(form, name) for name in form if name.startswith("arg.")}
        typed = text(form, "arguments")
        attempt, may_act = id_in(text(form, "attempt")) or new_id(), text(form, "may_act") != ""
        again: dict[str, Any] = {"given": given, "arguments": typed, "attempt": new_id()}
        try:
            arguments = json.dumps(_arguments(rows, form)) if rows is not None else typed
        except BadInput as error:
            return await page(request, member, tool, status=422, errors={"": str(error)}, **again)
    try:
        await pacing.count(request, member, "tools-tried", trying.MOST_TRIES, "Tools were tried very often just now.")
        # A form that is sent twice must not act twice.
        await pacing.count(request, member, f"tool-try:{attempt}", _ONCE, "This was sent already.")
        tried = await trying.try_out(
            *(reached.database, reached.vault, reached.web, member.tenant_id, tool, arguments),
            attempt=attempt,
            may_act=may_act,
            actor=member.actor,
        )
    except (BadInput, Conflict, TooMany) as error:
        return await page(request, member, tool, status=error.status, errors={"": str(error)}, **again)
    return await page(request, member, tool, tried=tried, **again)


def _arguments(rows: tuple[Row, ...], form: FormData) -> Mapping[str, Any]:
    """What is left empty is not given. Raises BadInput."""
    found: dict[str, Any] = {}
    for row in rows:
        said = text(form, f"arg.{row.name}")
        if said == "":
            continue
        if row.type == "integer":
            if not _INTEGER.fullmatch(said):
                raise BadInput(f"{row.name} must be a whole number.")
            found[row.name] = int(said)
        elif row.type == "number":
            try:
                found[row.name] = float(said)
            except ValueError:
                raise BadInput(f"{row.name} must be a number.") from None
        elif row.type == "boolean":
            found[row.name] = said == "true"
        else:
            found[row.name] = said
    return found
