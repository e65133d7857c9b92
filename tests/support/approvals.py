"""Approvals of an office: what an employee waits to be allowed, and who may allow it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from konstruct import approvals
from konstruct.identity import new_id
from konstruct.tables import Approval, Conversation, Step, Tenant, ToolCall
from konstruct.tables.base import utc_now
from tests.support.office import Office


@dataclass(frozen=True)
class Waiting:
    approval_id: UUID
    fingerprint: str

    @property
    def value(self) -> str:
        """What the buttons of its card carry."""
        return f"{self.approval_id}:{self.fingerprint}"


async def let_decide(office: Office, *users: str, connection: str = "slack", channel: str = "C1") -> None:
    async with office.session() as session:
        tenant = await session.get_one(Tenant, office.tenant_id)
        tenant.approvals = {"connection": connection, "channel": channel, "deciders": list(users)}


async def ask(
    office: Office,
    arguments: Mapping[str, object] | None = None,
    *,
    expires_in: timedelta = timedelta(hours=1),
    contact: str = "U1",
) -> Waiting:
    """A refund that a person is to decide."""
    call_id, approval_id, turn_id = new_id(), new_id(), new_id()
    asked = await office.say("Please refund it", root=str(call_id), contact=contact)
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        cipher = await office.vault.cipher(session, office.tenant_id, conversation.contact_id)
        text = json.dumps(dict(arguments or {"amount": 20, "order": "A-17"}))
        of: dict[str, Any] = {
            "tenant_id": office.tenant_id,
            "conversation_id": conversation.id,
            "contact_id": conversation.contact_id,
        }
        session.add(Step(**of, turn_id=turn_id, number=0, after_seq=1, link="openai/gpt"))
        await session.flush()
        fingerprint = cipher.hide(text) * 2
        session.add(
            ToolCall(
                **of,
                id=call_id,
                turn_id=turn_id,
                step=0,
                position=0,
                model_call_id="call_1",
                tool="refund_order",
                risk="writes",
                sealed_arguments=cipher.seal(approvals.ARGUMENTS, call_id, text),
                fingerprint=fingerprint,
                state="waiting",
            )
        )
        await session.flush()
        session.add(
            Approval(
                **of,
                id=approval_id,
                call_id=call_id,
                tool="refund_order",
                risk="writes",
                reason="It moves money.",
                fingerprint=fingerprint,
                expires_at=utc_now() + expires_in,
            )
        )
    return Waiting(approval_id, fingerprint)


async def states(office: Office) -> dict[UUID, str]:
    return {row.id: row.state for row in await office.rows(Approval)}
