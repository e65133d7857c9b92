"""Making calls of tools as an activity does, and looking at what came of them."""

import asyncio
from dataclasses import replace
from uuid import UUID

from temporalio.testing import ActivityEnvironment

from activities.tool_use import ToolUse
from konstruct.contracts.conversation import ToolCallRequest
from konstruct.ports import ToolCall
from konstruct.tables import ToolCall as CallRow
from konstruct.tools.registry import ATTEMPTS
from tests.support.office import Office
from tests.support.workshop import Job, call_row


def attempt(number: int = 1) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=number)
    return environment


def request_for(office: Office, call_id: UUID) -> ToolCallRequest:
    return ToolCallRequest(office.tenant_id, call_id, ATTEMPTS)


async def call(tool_use: ToolUse, office: Office, call_id: UUID, *, number: int = 1) -> CallRow:
    await attempt(number).run(tool_use.call_tool, request_for(office, call_id))
    return await call_row(office, call_id)


async def use(tool_use: ToolUse, turn: Job, name: str, arguments: str = "{}") -> tuple[CallRow, str]:
    """One step with one call that is made at once: the call, and what the model hears of it."""
    [made] = (await turn.step(ToolCall(f"call_{turn.steps}", name, arguments))).calls
    row = await call(tool_use, turn.office, made.call_id)
    return row, (await turn.told())[0]


async def begun(
    tool_use: ToolUse, office: Office, call_id: UUID, is_asked: asyncio.Event, environment: ActivityEnvironment
) -> "asyncio.Task[None]":
    """An attempt that is under way."""
    task = asyncio.create_task(environment.run(tool_use.call_tool, request_for(office, call_id)))
    await is_asked.wait()
    return task
