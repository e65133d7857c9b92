"""Routes of the audit trail: its events, whether it is as it was written, and the same with its proof."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse
from temporalio.client import Client

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.outside import Outside
from gateway.api.shapes import Given, Moment
from konstruct import api_keys, handing_out, temporal
from konstruct import audit as trail
from konstruct.api_keys import Principal
from konstruct.audit import Filters, checks, exporting, finding
from konstruct.audit.signing import Signatures
from konstruct.billing import enforcing
from konstruct.db import Database
from konstruct.errors import Unavailable
from konstruct.tables import AuditCheck, AuditEvent

_AWAY = "It could not begin: the part that carries it out does not answer."


class Event(BaseModel):
    id: UUID
    at: datetime
    actor: str
    action: str
    conversation_id: UUID | None
    contact_id: UUID | None = Field(description="Whom it is about.")
    detail: dict[str, Any] = Field(description="Ids, counts and names of fields; nothing of what anybody said.")
    chain: UUID = Field(description="The conversation's id, or the business's for what belongs to none.")
    seq: int = Field(description="Its place in the chain.")
    hash: str
    prev: str = Field(description="The hash of the event before it; empty for the first one.")
    has_content: bool = Field(description="Whether something is sealed in it, under the contact's key.")


class Events(BaseModel):
    events: list[Event] = Field(description="Newest first.")
    next: UUID | None = Field(description="What `before` has to be for the next page; null when this is the last.")


class Of(Given):
    conversation_id: UUID | None = None
    contact_id: UUID | None = None
    employee: str | None = Field(None, max_length=100, description="Its key; of its conversations.")
    actor: str | None = Field(None, max_length=200, description="As events name them, such as employee or api:name.")
    action: str | None = Field(None, max_length=200, description="Such as turn.answered; with a dot at its end, all.")
    since: Moment | None = None
    until: Moment | None = Field(None, description="Not included itself.")

    def filters(self) -> Filters:
        return Filters(
            self.conversation_id, self.actor, self.action, self.since, self.until, self.contact_id, self.employee
        )


class Wanted(Of, shapes.Page):
    pass


class Check(BaseModel):
    id: UUID
    conversation_id: UUID | None = Field(description="The one whose chain was checked; null for all of the trail.")
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None = Field(description="Null while it is under way.")
    outcome: str | None = Field(description="whole, broken, or failed, which says nothing of the trail.")
    error: str | None
    total: int = Field(description="Events that there were when it was asked for.")
    events: int = Field(description="That were looked at so far.")
    chains: int
    seals: int
    anchored: int = Field(description="Seals that an anchor outside the database bears out.")
    unproven: int = Field(description="Events that came after the last anchor.")
    elsewhere: int = Field(description="Seals that were anchored, but not in the file of the worker that checked.")
    broken: dict[str, Any] | None = Field(description="The first break: what, chain_id, seq, event_id, seal.")

    @classmethod
    def of(cls, row: AuditCheck) -> "Check":
        named = {name: getattr(row, name) for name in cls.model_fields if name != "conversation_id"}
        return cls(**named, conversation_id=row.chain_id)


class Checks(BaseModel):
    checks: list[Check] = Field(description="The latest ones, newest first.")


class Begin(Given):
    conversation_id: UUID | None = Field(None, description="Its chain alone; without it, all of the trail.")


def router(access: Access, database: Database, client: Client, outside: Outside) -> APIRouter:
    routes = APIRouter(prefix="/audit", tags=["audit"])
    reads = access.needs("audit:read")

    @routes.get("/events")
    async def list_events(caller: Annotated[Principal, reads], page: Annotated[Wanted, Query()]) -> Events:
        async with database.tenant_session(caller.tenant_id) as session:
            found = await finding.page(session, page.filters(), page.limit, before=page.before)
        return Events(events=[_event(each) for each in found.events], next=found.older)

    @routes.get("/check")
    async def list_checks(caller: Annotated[Principal, reads]) -> Checks:
        async with database.tenant_session(caller.tenant_id) as session:
            return Checks(checks=[Check.of(each) for each in await checks.listing(session)])

    @routes.post("/check", status_code=202, openapi_extra=shapes.takes(Begin))
    async def begin_check(caller: Annotated[Principal, reads], request: Request) -> Check:
        """Begins to check the trail, in the background; one check at a time."""
        begin = await shapes.read(request, Begin)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            check_id = await checks.ask(session, caller.tenant_id, begin.conversation_id, actor=actor)
        try:
            await temporal.start_check(client, caller.tenant_id, check_id)
        except Unavailable:
            async with database.tenant_session(caller.tenant_id) as session:
                await checks.give_up(session, check_id, _AWAY)
            raise
        async with database.tenant_session(caller.tenant_id) as session:
            return Check.of(await checks.get(session, check_id))

    @routes.get(
        "/export",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/x-ndjson": {}}, "description": "Events with their proof."}},
    )
    async def export(caller: Annotated[Principal, reads], of: Annotated[Of, Query()]) -> Response:
        """As NDJSON, chain by chain; the last line is signed. `konstruct audit verify FILE` checks it without us."""
        signatures = Signatures(outside.settings.encryption_keys)
        async with database.tenant_session(caller.tenant_id) as session:
            await enforcing.require_feature(session, "audit_export", adds=False)
        lines = handing_out.begun(caller.tenant_id, _lines(database, caller, signatures, of.filters()))
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            trail.record(
                session,
                tenant_id=caller.tenant_id,
                actor=actor,
                action="audit.exported",
                filters=of.filters().given(),
            )
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return routes


async def _lines(database: Database, caller: Principal, signatures: Signatures, filters: Filters) -> AsyncIterator[str]:
    async with database.tenant_session(caller.tenant_id, snapshot=True) as session:
        async for line in exporting.export(session, caller.tenant_id, signatures, filters):
            yield f"{line}\n"


def _event(event: AuditEvent) -> Event:
    return Event(
        id=event.id,
        at=event.created_at,
        actor=event.actor,
        action=event.action,
        conversation_id=event.conversation_id,
        contact_id=event.subject_id,
        detail=event.detail,
        chain=event.chain_id,
        seq=event.seq,
        hash=event.hash.hex(),
        prev=event.prev.hex(),
        has_content=event.content is not None,
    )
