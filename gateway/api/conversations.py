"""Routes of conversations: which there are, and of one all that happened in it, page by page or whole."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse
from temporalio.client import Client

from gateway.api.access import Access
from gateway.api.shapes import Given, Moment, Shown
from konstruct import api_keys, handing_out, poison, temporal
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.record import exporting, listing, overview, timeline
from konstruct.record.events import KINDS, Event, Kind, Mark
from konstruct.record.exporting import Format
from konstruct.record.listing import Filters, Listed
from konstruct.record.overview import Overview
from konstruct.vault import Vault

Owner = Literal["employee", "queue", "agent"]


class Conversation(Shown):
    conversation_id: UUID
    contact_id: UUID
    contact: str = Field(description="Their name as far as it is known. Untrusted: they choose it.")
    is_erased: bool
    employee: str = Field(description="Its key.")
    channel: str = Field(description="The connection's key.")
    channel_kind: str
    owner: Owner
    agent: str | None = Field(description="The name of the person who has it.")
    created_at: datetime
    last_message_at: datetime
    cost: Decimal = Field(description="US dollars for models, as far as prices are known.")
    score: int | None = Field(description="What the contact gave last, from 1 to 5.")


class Listing(Conversation):
    preview: str = Field(description="The beginning of what was said last. Untrusted.")
    had_people: bool
    has_failed: bool = Field(description="Whether a message of it was not delivered.")

    @classmethod
    def of(cls, row: Listed) -> "Listing":
        shown = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        return cls(**shown | {"employee": row.employee_key, "channel": row.connection_key})


class Conversations(BaseModel):
    conversations: list[Listing] = Field(description="Those whose last message is the latest come first.")
    next: str | None = Field(description="What `before` has to be for the next page; null when this is the last.")


class Quarantined(Shown):
    message_id: UUID
    said_at: datetime
    since: datetime | None
    tries: int
    why: str = Field(description="What the last try ended with, as far as that is known.")


class Whole(Conversation):
    messages: int
    handoffs: int = Field(description="How often people were asked to take over.")
    model_calls: int
    input_tokens: int
    output_tokens: int
    has_unknown_cost: bool
    own: Decimal = Field(
        description="Of the cost, on the business's own keys, which their providers bill to the business."
    )
    quarantined: list[Quarantined] = Field(
        description="Messages that were tried too often and are tried no more, until somebody has them tried again."
    )

    @classmethod
    def whole(cls, about: Overview, set_aside: Sequence[poison.Quarantined]) -> "Whole":
        conversation, cost = about.conversation, about.cost
        return cls(
            conversation_id=conversation.id,
            contact_id=about.contact_id,
            contact=about.contact,
            is_erased=about.is_erased,
            employee=about.employee_key,
            channel=about.connection_key,
            channel_kind=about.channel_kind,
            owner=conversation.owner,
            agent=about.agent,
            created_at=conversation.created_at,
            last_message_at=conversation.last_message_at,
            cost=cost.dollars,
            score=about.score,
            messages=about.messages,
            handoffs=about.handoffs,
            model_calls=cost.calls,
            input_tokens=cost.input_tokens,
            output_tokens=cost.output_tokens,
            has_unknown_cost=cost.has_unknown,
            own=cost.own,
            quarantined=[Quarantined.model_validate(each) for each in set_aside],
        )


class TriedAgain(BaseModel):
    message_ids: list[UUID]


class Happened(BaseModel):
    id: UUID
    at: datetime
    kind: Kind
    action: str = Field(description="As the audit trail calls it, or message, model, tool, judged.")
    actor: str
    actor_name: str
    turn_id: UUID | None
    says: str = Field(description="What happened, in a sentence.")
    text: str = Field("", description="What was noted, asked, answered or given as a reason. Untrusted.")
    detail: Mapping[str, Any] = Field(default_factory=dict)
    message: Mapping[str, Any] | None = Field(None, description="With its text, state and files. Untrusted.")
    model: Mapping[str, Any] | None = Field(None, description="With its tokens, cost, time and outcome.")
    tool: Mapping[str, Any] | None = Field(None, description="With its arguments, result and state. Untrusted.")
    judged: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, event: Event) -> "Happened":
        return cls(**exporting.document(event))


class Timeline(BaseModel):
    events: list[Happened] = Field(description="Oldest first.")
    next: str | None = Field(description="What `before` has to be for what happened earlier; null at the beginning.")


class Wanted(Given):
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    before: str | None = Field(None, description="The `next` of the page before.")
    employee_id: UUID | None = None
    connection_id: UUID | None = None
    contact_id: UUID | None = None
    owner: Owner | None = None
    since: Moment | None = Field(None, description="Of the last message.")
    until: Moment | None = Field(None, description="Not included itself.")
    had_people: bool = False
    has_failed: bool = False
    rated: Literal["any", "good", "bad", "none"] | None = None


class EventsPage(Given):
    limit: Annotated[int, Field(ge=1, le=100)] = 100
    before: str | None = Field(None, description="The `next` of the page before.")
    kind: list[Kind] = Field([], description="Of which kinds; of all where none is named.")


def router(access: Access, database: Database, vault: Vault, client: Client) -> APIRouter:
    routes = APIRouter(prefix="/conversations", tags=["conversations"])

    @routes.get("")
    async def list_conversations(
        caller: Annotated[Principal, access.needs("conversations:read")], wanted: Annotated[Wanted, Query()]
    ) -> Conversations:
        """Rehearsals are left out."""
        filters = Filters(**wanted.model_dump(exclude={"limit", "before"}))
        async with database.tenant_session(caller.tenant_id) as session:
            found = await listing.page(session, vault, filters, before=_mark(wanted.before), limit=wanted.limit)
        return Conversations(
            conversations=[Listing.of(row) for row in found.rows],
            next=str(found.older) if found.older else None,
        )

    @routes.get("/{conversation_id}")
    async def show_conversation(
        caller: Annotated[Principal, access.needs("conversations:read")], conversation_id: UUID
    ) -> Whole:
        async with database.tenant_session(caller.tenant_id) as session:
            about = await overview.read(session, vault, conversation_id)
            return Whole.whole(about, await poison.of_conversation(session, conversation_id))

    @routes.post("/{conversation_id}/try-again", status_code=202)
    async def try_again(
        caller: Annotated[Principal, access.needs("handoffs:act")], conversation_id: UUID
    ) -> TriedAgain:
        """What is set aside is the employee's to answer again. Not where people have the conversation."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            message_ids = await poison.try_again(session, conversation_id, actor=actor)
        await temporal.answer(client, caller.tenant_id, conversation_id, message_ids)
        return TriedAgain(message_ids=message_ids)

    @routes.get("/{conversation_id}/timeline")
    async def show_timeline(
        caller: Annotated[Principal, access.needs("conversations:read")],
        conversation_id: UUID,
        page: Annotated[EventsPage, Query()],
    ) -> Timeline:
        """The latest events, or those before a mark."""
        async with database.tenant_session(caller.tenant_id) as session:
            found = await timeline.page(
                *(session, vault, conversation_id),
                kinds=page.kind or KINDS,
                before=_mark(page.before),
                limit=page.limit,
            )
        return Timeline(
            events=[Happened.of(event) for event in found.events],
            next=str(found.earlier) if found.earlier else None,
        )

    @routes.get(
        "/{conversation_id}/export",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/json": {}, "text/plain": {}}, "description": "All of it."}},
    )
    async def export_conversation(
        caller: Annotated[Principal, access.needs("conversations:read")],
        conversation_id: UUID,
        format: Format = "json",
    ) -> StreamingResponse:
        """All of it at once; the audit trail takes note of it."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
        about = await exporting.begin(database, vault, caller.tenant_id, conversation_id, format, actor=actor)
        lines = exporting.lines(database, vault, caller.tenant_id, about, format)
        return StreamingResponse(handing_out.begun(caller.tenant_id, lines), media_type=exporting.MEDIA_TYPES[format])

    return routes


def _mark(text: str | None) -> Mark | None:
    return Mark.read(text) if text else None
