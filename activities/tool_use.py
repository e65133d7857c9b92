"""Using tools: one call, made once as far as that can be known, its result kept for the step that asked for it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import structlog
from pydantic import JsonValue, SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.builtin_tools import BuiltinTools, Given
from activities.heartbeat import heartbeat
from konstruct import employees
from konstruct.contracts.conversation import ToolCallRequest
from konstruct.db import Database
from konstruct.errors import Misconfigured, ToolFailed, Unavailable, WebError, WebRefused, WebUncertain, WebUnreachable
from konstruct.observing import metrics
from konstruct.rehearsals import pretending, steps
from konstruct.source_ports import Mcp, Web
from konstruct.tables import Rehearsal
from konstruct.tables import Tool as ToolRow
from konstruct.tools import calls, defining, http, masking, policy, registry, schemas
from konstruct.tools.calls import CANCELLED, UNKNOWN, Begun, Outcome
from konstruct.tools.http import HttpToolDefinition
from konstruct.tools.registry import Tool
from konstruct.vault import Vault

LARGEST_ANSWER: Final = 2_000_000
"""Bytes that are taken of what a tool answers."""
NOT_HAD: Final = "Not done: this tool is not to be had any more as it was when it was asked for."
NOT_REACHED: Final = "The tool could not be reached. Say so, and that it can be tried later."
NOT_TAKEN_IN: Final = "The tool answered, but its answer is too long, or in a form that cannot be read here."
DONE_BUT: Final = "It was done, and must not be done again; only the answer to it cannot be used. "

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Prepared:
    """All that making a call needs, read in one transaction."""

    begun: Begun
    tool: Tool
    arguments: dict[str, JsonValue]
    row: ToolRow | None
    secrets: Mapping[str, SecretStr]
    rehearsal: Rehearsal | None = None
    """What is tried out, where it is no contact for whom it is made."""


class ToolUse:
    def __init__(self, database: Database, vault: Vault, builtin: BuiltinTools, web: Web, mcp: Mcp) -> None:
        self._database = database
        self._vault = vault
        self._builtin = builtin
        self._web = web
        self._mcp = mcp

    @activity.defn(name="call_tool")
    async def call_tool(self, request: ToolCallRequest) -> None:
        async with heartbeat():
            async with self._database.tenant_session(request.tenant_id) as session:
                prepared = await self._prepare(session, request.call_id)
            if prepared is None:
                return
            is_last = activity.info().attempt >= request.attempts
            try:
                outcome = await self._make(prepared, is_last=is_last)
            except (WebUnreachable, Unavailable):
                async with self._database.tenant_session(request.tenant_id) as session:
                    await calls.put_back(session, request.call_id)
                raise
            except asyncio.CancelledError:
                await self._note_stopped(request, prepared)
                raise
            await self._settle(request, replace(outcome, told=masking.without(outcome.told, prepared.secrets)))

    async def _note_stopped(self, request: ToolCallRequest, prepared: _Prepared) -> None:
        """Somebody stopped the turn. A worker that ends, or was taken for dead, leaves it to the next attempt."""
        details = activity.cancellation_details()
        if details is None or not details.cancel_requested:
            return
        outcome = Outcome("unknown", UNKNOWN) if policy.acts(prepared.tool.risk) else Outcome("cancelled", CANCELLED)
        # Not cut short by what cut the call short.
        await asyncio.shield(self._settle(request, outcome))

    async def _settle(self, request: ToolCallRequest, outcome: Outcome) -> None:
        async with self._database.tenant_session(request.tenant_id) as session:
            await calls.settle(session, self._vault, request.call_id, outcome)
        metrics.TOOL_CALLS.labels(outcome.state).inc()

    @activity.defn(name="give_up_call")
    async def give_up_call(self, request: ToolCallRequest) -> None:
        """Every attempt died on the way. One that had been put back was certainly not made."""
        async with self._database.tenant_session(request.tenant_id) as session:
            is_open = (await calls.get(session, request.call_id)).state == "ready"
        await self._settle(request, Outcome("failed", NOT_REACHED) if is_open else Outcome("unknown", UNKNOWN))

    async def _prepare(self, session: AsyncSession, call_id: UUID) -> _Prepared | None:
        begun = await calls.begin(session, self._vault, call_id)
        if begun is None:
            return None
        call = begun.call
        version = await employees.serving(session, call.conversation_id)
        # What may be done is decided by how things are now, and not when it was asked for, which may be days ago.
        tool = await registry.called(session, version, call.tool)
        if tool is None or tool.tool_id != call.tool_id or tool.digest != call.detail["digest"]:
            # A yes was to what the tool did when it was asked for.
            await calls.settle(session, self._vault, call_id, Outcome("failed", NOT_HAD))
            return None
        row = await defining.get(session, tool.tool_id) if tool.tool_id else None
        secrets = await defining.secrets(session, self._vault, row) if row else {}
        rehearsal = None
        if version.number == employees.REHEARSED:
            rehearsal = await pretending.of_conversation(session, call.conversation_id)
        return _Prepared(begun, tool, json.loads(begun.arguments), row, secrets, rehearsal)

    async def _make(self, prepared: _Prepared, *, is_last: bool) -> Outcome:
        """Raises what is to be tried again; all else is an outcome."""
        tool = prepared.tool
        is_untrusted = tool.kind != "builtin"
        try:
            return await self._result(prepared)
        except ToolFailed as error:
            return Outcome("failed", str(error), is_untrusted)
        except WebRefused as error:
            if error.may_have_acted and policy.acts(tool.risk):
                return Outcome("unknown", UNKNOWN, error=str(error))
            return Outcome("failed", NOT_TAKEN_IN if error.may_have_acted else NOT_REACHED, error=str(error))
        except WebUnreachable as error:
            if not is_last:
                raise
            return Outcome("failed", NOT_REACHED, error=str(error))
        except Misconfigured as error:
            # Found out while the request was made, before anything was sent.
            return Outcome("failed", NOT_REACHED, error=str(error))
        except WebUncertain as error:
            if tool.is_repeatable and not is_last:
                # With the same idempotency key: what was done is not done again.
                raise
            if policy.acts(tool.risk):
                return Outcome("unknown", UNKNOWN, error=str(error))
            return Outcome("failed", NOT_REACHED, error=str(error))

    async def _result(self, prepared: _Prepared) -> Outcome:
        tool, call = prepared.tool, prepared.begun.call
        if prepared.rehearsal is not None and pretending.pretends(prepared.rehearsal, tool):
            return await self._pretend(prepared, prepared.rehearsal)
        if prepared.row is None:
            return await self._builtin.use(tool.spec.name, Given(call, prepared.arguments))
        if tool.kind == "http":
            return await self._over_http(prepared, prepared.row)
        return await self._at_server(prepared, prepared.row)

    async def _pretend(self, prepared: _Prepared, rehearsal: Rehearsal) -> Outcome:
        """All is made ready, and nothing is sent."""
        call = prepared.begun.call
        pretended = pretending.pretended(call, prepared.tool, prepared.row, prepared.arguments, prepared.secrets)
        told = [(what, masking.masked(text, prepared.secrets)) for what, text in pretended.would]
        async with self._database.tenant_session(call.tenant_id) as session:
            await steps.keep(session, self._vault, rehearsal, call.turn_id, replace(pretended, would=told))
        return Outcome("done", pretending.SIMULATED)

    async def _over_http(self, prepared: _Prepared, row: ToolRow) -> Outcome:
        definition = HttpToolDefinition.parse(row.definition["request"])
        request = http.request(
            definition, prepared.arguments, prepared.secrets.get(defining.AUTH), str(prepared.begun.call.id)
        )
        answer = await self._web.request(request, time_limit=prepared.tool.timeout, most_bytes=LARGEST_ANSWER)
        if policy.acts(prepared.tool.risk) and answer.status // 100 in (3, 5):
            # It may have been done all the same, as by a service behind a gateway that lost patience.
            raise WebUncertain(f"The service answered {answer.status}.")
        try:
            return Outcome("done", http.result(definition, answer, prepared.secrets), is_untrusted=True)
        except ToolFailed as error:
            return _unusable(prepared.tool, error, was_taken=answer.status < 300)

    async def _at_server(self, prepared: _Prepared, row: ToolRow) -> Outcome:
        tool = prepared.tool
        server = defining.server(row, prepared.secrets)
        try:
            result = await self._mcp.call(
                server,
                tool.remote_name,
                prepared.arguments,
                time_limit=tool.timeout,
                most_bytes=LARGEST_ANSWER,
                idempotency_key=str(prepared.begun.call.id),
            )
        except WebError as error:
            # What one call is refused says nothing of the others; whether we are let in is looked at once in a while.
            if not isinstance(error, WebRefused):
                await self._note(row, "down", str(error))
            raise
        if row.status != "active":
            await self._note(row, "active", None)
        if result.is_error:
            return Outcome("failed", result.text or "The tool says that it failed, and not why.", is_untrusted=True)
        value: Any = result.structured if result.structured is not None else result.text
        is_promised = tool.result_schema is not None and result.structured is not None
        wrong = schemas.complaint(tool.result_schema or {}, value) if is_promised else None
        if wrong is not None:
            told = ToolFailed(f"What the tool answered is not what it says it answers: {wrong}.")
            return _unusable(tool, told, was_taken=True)
        return Outcome("done", value, is_untrusted=True)

    async def _note(self, row: ToolRow, status: str, reason: str | None) -> None:
        async with self._database.tenant_session(row.tenant_id) as session:
            await defining.mark(session, row.id, status, reason)


def _unusable(tool: Tool, error: ToolFailed, *, was_taken: bool) -> Outcome:
    """Told that it failed, a model would do once more what was done."""
    if was_taken and policy.acts(tool.risk):
        return Outcome("done", f"{DONE_BUT}{error}", is_untrusted=True)
    return Outcome("failed", str(error), is_untrusted=True)
