"""Trying an HTTP tool out: its request made for real with arguments that somebody typed, and what a model would see."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from pydantic import JsonValue, SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import audit
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, Misconfigured, ToolFailed, WebError, WebRefused, WebUncertain
from konstruct.ports import Limit
from konstruct.source_ports import Web, WebAnswer, WebRequest
from konstruct.tables import Tool
from konstruct.tools import defining, http, masking, policy, results, schemas
from konstruct.tools.http import HttpToolDefinition
from konstruct.vault import Vault

LARGEST_ANSWER: Final = 2_000_000
"""Bytes."""
LONGEST_SHOWN: Final = 20_000
"""Characters of the answer as it came."""
MOST_TRIES: Final = Limit(30, timedelta(minutes=5))
"""Of one tenant's, whoever tries."""
LONGEST_WAIT: Final = 30.0
"""Seconds; employees may wait longer, as the tool says."""


@dataclass(frozen=True)
class Tried:
    """Request and answer, without the tool's secret."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str
    status: int | None = None
    media_type: str = ""
    answer: str = field(default="", repr=False)
    """As it came, if it is text, and its beginning alone if it is long."""
    result: str | None = field(default=None, repr=False)
    """What a model is shown of it."""
    complaint: str = ""
    """Why the model is shown none."""
    may_have_acted: bool = False
    """Whether it was done, or may have been, though nothing useful came back."""
    seconds: float = 0.0


async def try_out(
    database: Database,
    vault: Vault,
    web: Web,
    tenant_id: UUID,
    key: str,
    arguments: str,
    *,
    attempt: UUID,
    may_act: bool,
    actor: str,
) -> Tried:
    """``arguments``: JSON. ``attempt``: the idempotency key outside. ``may_act``: somebody knows that it does
    something, where it does.

    Raises:
        NotFound: there is no such tool.
        BadInput: it is none that can be tried, or the arguments do not fit; nothing was sent.
        Conflict: it does something, and nobody said that it may.
    """
    async with database.tenant_session(tenant_id) as session:
        tool = await _to_try(session, key, may_act=may_act)
        secrets = await defining.secrets(session, vault, tool)
        definition = HttpToolDefinition.parse(tool.definition["request"])
        request = _request(definition, arguments, secrets, attempt)
        # Before it is sent, so that whatever becomes of it is on record.
        audit.record(session, tenant_id=tenant_id, actor=actor, action="tool.tried", tool_id=str(tool.id), key=key)
    return await _sent(web, definition, request, secrets, acts=policy.acts(tool.definition["risk"]))


async def _to_try(session: AsyncSession, key: str, *, may_act: bool) -> Tool:
    tool = await defining.called(session, key)
    if tool.kind != "http":
        raise BadInput(f"{key} is a server: what it offers is tried out in a rehearsal of an employee that has it.")
    if policy.acts(tool.definition["risk"]) and not may_act:
        raise Conflict(f"{key} does more than look: confirm that it is to be done.")
    return tool


def _request(
    definition: HttpToolDefinition, arguments: str, secrets: Mapping[str, SecretStr], attempt: UUID
) -> WebRequest:
    try:
        given = schemas.arguments(arguments, definition.parameters)
        return http.request(definition, given, secrets.get(defining.AUTH), str(attempt))
    except (ToolFailed, Misconfigured) as error:
        raise BadInput(masking.masked(str(error), secrets)) from None


async def _sent(
    web: Web, definition: HttpToolDefinition, request: WebRequest, secrets: Mapping[str, SecretStr], *, acts: bool
) -> Tried:
    def shown(text: str) -> str:
        return masking.masked(text, secrets)

    tried = Tried(
        method=request.method,
        url=shown(request.url),
        headers=tuple((name, shown(value)) for name, value in request.headers.items()),
        body=shown((request.body or b"").decode()),
    )
    began = time.monotonic()
    limit = min(definition.timeout_seconds, LONGEST_WAIT)
    try:
        answer = await web.request(request, time_limit=limit, most_bytes=LARGEST_ANSWER)
    except WebError as error:
        is_uncertain = isinstance(error, WebUncertain) or (isinstance(error, WebRefused) and error.may_have_acted)
        took = time.monotonic() - began
        return replace(tried, complaint=shown(str(error)), may_have_acted=acts and is_uncertain, seconds=took)
    tried = replace(
        tried,
        status=answer.status,
        media_type=answer.headers.get("content-type", "")[:100],
        answer=shown(_text(answer, LONGEST_SHOWN + masking.longest(secrets)))[:LONGEST_SHOWN],
        seconds=time.monotonic() - began,
    )
    try:
        result: JsonValue = masking.without(http.result(definition, answer, secrets), secrets)
        return replace(tried, result=results.as_text(result)[:LONGEST_SHOWN])
    except ToolFailed as error:
        return replace(tried, complaint=shown(str(error)), may_have_acted=acts and answer.status < 400)


def _text(answer: WebAnswer, at_most: int) -> str:
    """Empty of what is no text."""
    text = answer.content[: at_most * 4].decode("utf-8", "replace").replace("\0", "\ufffd")
    return "" if text.count("\ufffd") > len(text) // 20 else text[:at_most]
