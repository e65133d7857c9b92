"""Routes of handoffs: what waits for people, and all that an agent needs to know of it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gateway.api.access import Access
from gateway.api.shapes import Page, Shown
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.handoffs import packet
from konstruct.handoffs.packet import Packet
from konstruct.vault import Vault

State = Literal["waiting", "owned", "over", "told"]


class Handoff(Shown):
    id: UUID
    conversation_id: UUID
    state: State
    ended_how: str | None
    target: str | None = Field(description="The group or the person who is asked.")
    priority: str
    cause: str
    rule: str | None
    requested_by: str
    agent: str | None
    created_at: datetime
    claimed_at: datetime | None
    replied_at: datetime | None
    ended_at: datetime | None
    next_due_at: datetime | None = Field(description="When the desk does something next by itself.")


class Handoffs(BaseModel):
    handoffs: list[Handoff] = Field(description="Newest first.")
    next: UUID | None = Field(description="What `before` has to be for the next page; null when this one is empty.")


class HandoffsPage(Page):
    state: State | None = None


class Packed(Shown):
    summary: str
    tried: str
    suggestion: str


class Line(Shown):
    message_id: UUID
    author: str
    signed: str | None = Field(description="The name of the agent who wrote it.")
    text: str
    state: str
    said_at: datetime


class Call(Shown):
    call_id: UUID
    tool: str
    state: str
    arguments: str
    result: str
    called_at: datetime


class Entry(Shown):
    entry_id: UUID
    kind: str
    agent: str
    text: str
    state: str
    written_at: datetime


class Attachment(Shown):
    message_id: UUID
    file_id: UUID | None = Field(description="The file itself is at `/files/{file_id}` once its state is kept.")
    name: str = Field(description="As the sender calls it.")
    media_type: str
    size: int = Field(description="Bytes; 0 where the channel does not say.")
    sent_at: datetime
    state: str = Field(description="waiting, kept, refused (as what it is), failed (not to be had) or not_fetched.")
    error: str = Field(description="Why it was refused or failed.")
    transcript: str = Field(description="What is said in a voice message, as it was understood.")


class Approval(Shown):
    approval_id: UUID
    tool: str
    reason: str
    expires_at: datetime


class Whole(Handoff):
    """A handoff with its packet: what an agent needs to know."""

    agent_name: str | None
    contact: str = Field(description="As the channel knows them.")
    contact_name: str = Field(description="As they call themselves, where that is known.")
    reason: str
    packet: Packed = Field(description="What a model wrote for people; empty until it has, and where none could.")
    transcript: list[Line] = Field(description="Oldest first. What contacts wrote is untrusted.")
    attachments: list[Attachment]
    tool_calls: list[Call]
    cost: Decimal = Field(description="US dollars for models in this conversation, as far as prices are known.")
    facts: list[str] = Field(description="What is remembered of the contact.")
    approvals: list[Approval] = Field(description="Those that nobody has decided yet.")
    entries: list[Entry] = Field(description="What agents wrote or had written. A reply's text is in the transcript.")

    @classmethod
    def of(cls, found: Packet) -> "Whole":
        handoff = Handoff.model_validate(found.handoff).model_dump()
        return cls(
            **handoff,
            agent_name=found.agent_name,
            contact=found.contact,
            contact_name=found.contact_name,
            reason=found.reason,
            packet=Packed.model_validate(found.written),
            transcript=[Line.model_validate(each) for each in found.transcript],
            attachments=[Attachment.model_validate(each) for each in found.attachments],
            tool_calls=[Call.model_validate(each) for each in found.tool_calls],
            cost=found.cost,
            facts=found.facts,
            approvals=[Approval.model_validate(each) for each in found.approvals],
            entries=[Entry.model_validate(each) for each in found.entries],
        )


def router(access: Access, database: Database, vault: Vault) -> APIRouter:
    routes = APIRouter(prefix="/handoffs", tags=["handoffs"])

    @routes.get("")
    async def list_handoffs(
        caller: Annotated[Principal, access.needs("handoffs:read")], page: Annotated[HandoffsPage, Query()]
    ) -> Handoffs:
        async with database.tenant_session(caller.tenant_id) as session:
            found = await packet.listing(session, state=page.state, limit=page.limit, before=page.before)
        return Handoffs(handoffs=[Handoff.model_validate(each) for each in found], next=found[-1].id if found else None)

    @routes.get("/{handoff_id}")
    async def show_handoff(caller: Annotated[Principal, access.needs("handoffs:read")], handoff_id: UUID) -> Whole:
        async with database.tenant_session(caller.tenant_id) as session:
            return Whole.of(await packet.read(session, vault, handoff_id))

    return routes
