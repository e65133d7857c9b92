"""Routes of approvals: what employees wait to be allowed, whole, and a program's yes or no to it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from temporalio.client import Client

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Page
from konstruct import api_keys, approvals, temporal
from konstruct.api_keys import Principal
from konstruct.approvals import Asked
from konstruct.db import Database
from konstruct.vault import Vault
from konstruct.visible import visible

State = Literal["waiting", "approved", "denied", "expired"]


class Approval(BaseModel):
    id: UUID
    conversation_id: UUID
    call_id: UUID
    employee: str
    tool: str
    risk: str
    reason: str
    arguments: str = Field(description="All of them, as JSON. Characters that show nothing are spelt out.")
    fingerprint: str = Field(description="Of exactly these arguments. A decision has to name it.")
    state: State
    decided_by: str | None
    decided_at: datetime | None
    note: str
    expires_at: datetime
    created_at: datetime
    call_state: str = Field(description="What became of the call itself.")

    @classmethod
    def of(cls, asked: Asked) -> "Approval":
        shown = {name: getattr(asked, name) for name in cls.model_fields if name not in ("id", "arguments")}
        return cls(id=asked.approval_id, arguments=visible(asked.arguments), **shown)


class Approvals(BaseModel):
    approvals: list[Approval] = Field(description="Newest first.")
    next: UUID | None = Field(description="What `before` has to be for the next page; null when this one is empty.")


class ApprovalsPage(Page):
    state: State | None = None


class Decision(Given):
    fingerprint: Annotated[str, Field(min_length=1, max_length=200, description="Of what was looked at.")]
    note: Annotated[str, Field(max_length=1_000, description="For the record, and for the employee.")] = ""


def router(access: Access, database: Database, vault: Vault, client: Client) -> APIRouter:
    routes = APIRouter(prefix="/approvals", tags=["approvals"])

    @routes.get("")
    async def list_approvals(
        caller: Annotated[Principal, access.needs("approvals:read")], page: Annotated[ApprovalsPage, Query()]
    ) -> Approvals:
        async with database.tenant_session(caller.tenant_id) as session:
            found = await approvals.listing(session, vault, state=page.state, limit=page.limit, before=page.before)
        return Approvals(
            approvals=[Approval.of(asked) for asked in found],
            next=found[-1].approval_id if found else None,
        )

    @routes.get("/{approval_id}")
    async def show_approval(
        caller: Annotated[Principal, access.needs("approvals:read")], approval_id: UUID
    ) -> Approval:
        async with database.tenant_session(caller.tenant_id) as session:
            return Approval.of(await approvals.read(session, vault, approval_id))

    @routes.post("/{approval_id}/approve", openapi_extra=shapes.takes(Decision))
    async def approve(
        caller: Annotated[Principal, access.needs("approvals:decide")], approval_id: UUID, request: Request
    ) -> Approval:
        return await decide(caller, approval_id, await shapes.read(request, Decision), is_yes=True)

    @routes.post("/{approval_id}/deny", openapi_extra=shapes.takes(Decision))
    async def deny(
        caller: Annotated[Principal, access.needs("approvals:decide")], approval_id: UUID, request: Request
    ) -> Approval:
        return await decide(caller, approval_id, await shapes.read(request, Decision), is_yes=False)

    async def decide(caller: Principal, approval_id: UUID, decision: Decision, *, is_yes: bool) -> Approval:
        async with database.tenant_session(caller.tenant_id) as session:
            decided = await approvals.decide(
                session,
                vault,
                approval_id,
                is_yes=is_yes,
                fingerprint=decision.fingerprint,
                by=await api_keys.actor_of(session, caller.key_id),
                note=decision.note,
            )
        await temporal.tell_decided(client, caller.tenant_id, approval_id)
        return Approval.of(decided)

    return routes
