"""What is not really done in a rehearsal: nobody is rung, and tools that do more than look are simulated."""

import json
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from pydantic import JsonValue, SecretStr
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, conversations, notices
from konstruct.rehearsals.steps import Pretended
from konstruct.tables import Message, Rehearsal, ToolCall
from konstruct.tables import Tool as ToolRow
from konstruct.tables.base import utc_now
from konstruct.tools import defining, http, policy
from konstruct.tools.builtin import ASK_COLLEAGUE, HAND_OFF, SEND_FILE
from konstruct.tools.http import HttpToolDefinition
from konstruct.tools.registry import Tool

HANDED_OFF: Final = "People would have this conversation now. Nobody was asked, since this is a rehearsal."
SIMULATED: Final = (
    "This is a rehearsal: the call was simulated, and nothing was sent. Go on as if it had been done and had succeeded."
)
_BUILTIN: Final = {
    ASK_COLLEAGUE: "The colleague would be asked.",
    HAND_OFF: "People of the business would be asked to take over.",
    SEND_FILE: "The file would go along with the answer.",
}
"""What ends with people, or with a channel that a rehearsal has none of."""


async def of_conversation(session: AsyncSession, conversation_id: UUID) -> Rehearsal | None:
    """What is rehearsed there; None where contacts are answered."""
    found: Rehearsal | None = await session.scalar(
        select(Rehearsal).where(col(Rehearsal.conversation_id) == conversation_id)
    )
    return found


def pretends(rehearsal: Rehearsal | None, tool: Tool) -> bool:
    """Whether a call of this tool is simulated. What is remembered is the rehearsal's own."""
    if rehearsal is None:
        return False
    if tool.kind == "builtin" and tool.spec.name in _BUILTIN:
        return True
    return not rehearsal.acts and policy.acts(tool.risk) and tool.risk != "memory"


def pretended(
    call: ToolCall,
    tool: Tool,
    row: ToolRow | None,
    arguments: Mapping[str, JsonValue],
    secrets: Mapping[str, SecretStr],
) -> Pretended:
    """What the call would have sent, made as it is made when it is sent; secrets are still in it.

    Raises ToolFailed and Misconfigured as ``http.request`` does.
    """
    if row is None:
        return Pretended(call.id, [("What", _BUILTIN.get(tool.spec.name, "It would be done."))])
    if tool.kind != "http":
        server = defining.server(row, secrets)
        return Pretended(
            call.id, [("Server", server.url), ("Tool", tool.remote_name), ("Arguments", _shown(arguments))]
        )
    definition = HttpToolDefinition.parse(row.definition["request"])
    request = http.request(definition, arguments, secrets.get(defining.AUTH), str(call.id))
    would = [("Request", f"{request.method} {request.url}")]
    would += [("Header", f"{name}: {value}") for name, value in request.headers.items()]
    would += [("Body", request.body.decode("utf-8", "replace"))] if request.body else []
    return Pretended(call.id, would)


async def hand_off(session: AsyncSession, conversation_id: UUID, turn_id: UUID) -> UUID:
    """The turn ends as one does that people get, but that they do not: the notice that says so."""
    conversation = await conversations.changed(session, conversation_id)
    notice_id = await notices.add_notice(session, conversation_id, turn_id, HANDED_OFF)
    await session.execute(
        update(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.turn_id) == turn_id)
        .where(col(Message.direction) == "inbound", col(Message.state) == "taken")
        .values(state="answered", settled_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation_id,
        actor="employee",
        action="rehearsal.would_hand_off",
        turn_id=str(turn_id),
    )
    return notice_id


def _shown(arguments: Mapping[str, JsonValue]) -> str:
    return json.dumps(arguments, ensure_ascii=False, indent=2)
