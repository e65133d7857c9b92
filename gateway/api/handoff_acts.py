"""Routes of what agents do with a conversation: each is judged, and done when it is answered."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field
from temporalio.client import Client

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, OptionalIdempotencyKey, Shown
from konstruct import temporal
from konstruct.api_keys import Principal
from konstruct.contracts.handoffs import Action, AgentAct
from konstruct.db import Database
from konstruct.handoffs import entries, finding, owning
from konstruct.handoffs.entries import Origin
from konstruct.vault import Vault

AgentKey = Annotated[str, Field(min_length=1, max_length=100, description="As the desk knows the agent.")]
Note = Annotated[str, Field(max_length=4_000, description="For the employee. The contact never sees it.")]


class OwnerState(Shown):
    owner: Literal["employee", "queue", "agent"]
    epoch: int = Field(description="Raised with every change of owner.")
    handoff_id: UUID | None
    agent: str | None


class Act(Given):
    agent: AgentKey


class Claim(Act):
    from_colleague: bool = Field(False, description="Also where an agent who is at the desk has it.")


class Transfer(Act):
    to: Annotated[str, Field(min_length=1, max_length=100, description="An agent; or a group, whose people are asked.")]


class Resolve(Act):
    note: Note = ""


class HandBack(Resolve):
    at_once: bool = Field(False, description="The employee writes without waiting for the contact.")


def router(access: Access, database: Database, vault: Vault, client: Client) -> APIRouter:
    routes = APIRouter(tags=["handoffs"])

    @routes.post("/conversations/{conversation_id}/take-over", openapi_extra=shapes.takes(Claim))
    async def take_over(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        conversation_id: UUID,
        request: Request,
        key: OptionalIdempotencyKey = None,
    ) -> OwnerState:
        given = await shapes.read(request, Claim)
        async with database.tenant_session(caller.tenant_id) as session:
            # Where there is no such conversation, no workflow is started for it.
            await finding.be_there(session, conversation_id)
        wanted = AgentAct(given.agent, from_colleague=given.from_colleague)
        return await _done(client, caller, conversation_id, "claim", wanted, key)

    @routes.post("/handoffs/{handoff_id}/claim", openapi_extra=shapes.takes(Claim))
    async def claim(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        key: OptionalIdempotencyKey = None,
    ) -> OwnerState:
        given = await shapes.read(request, Claim)
        wanted = AgentAct(given.agent, handoff_id, from_colleague=given.from_colleague)
        return await act(caller, handoff_id, "claim", wanted, key)

    @routes.post("/handoffs/{handoff_id}/transfer", openapi_extra=shapes.takes(Transfer))
    async def transfer(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        key: OptionalIdempotencyKey = None,
    ) -> OwnerState:
        given = await shapes.read(request, Transfer)
        return await act(caller, handoff_id, "transfer", AgentAct(given.agent, handoff_id, given.to), key)

    @routes.post("/handoffs/{handoff_id}/release", openapi_extra=shapes.takes(Act))
    async def release(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        key: OptionalIdempotencyKey = None,
    ) -> OwnerState:
        given = await shapes.read(request, Act)
        return await act(caller, handoff_id, "release", AgentAct(given.agent, handoff_id), key)

    @routes.post("/handoffs/{handoff_id}/resolve", openapi_extra=shapes.takes(Resolve))
    async def resolve(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        key: OptionalIdempotencyKey = None,
    ) -> OwnerState:
        given = await shapes.read(request, Resolve)
        note_id = await keep_note(request, caller, handoff_id, given, key)
        return await act(caller, handoff_id, "resolve", AgentAct(given.agent, handoff_id, note_id=note_id), key)

    @routes.post("/handoffs/{handoff_id}/hand-back", openapi_extra=shapes.takes(HandBack))
    async def hand_back(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        key: OptionalIdempotencyKey = None,
    ) -> OwnerState:
        given = await shapes.read(request, HandBack)
        note_id = await keep_note(request, caller, handoff_id, given, key)
        wanted = AgentAct(given.agent, handoff_id, note_id=note_id, at_once=given.at_once)
        return await act(caller, handoff_id, "hand_back", wanted, key)

    async def act(caller: Principal, handoff_id: UUID, what: Action, wanted: AgentAct, key: str | None) -> OwnerState:
        async with database.tenant_session(caller.tenant_id) as session:
            conversation_id = (await owning.get(session, handoff_id)).conversation_id
        return await _done(client, caller, conversation_id, what, wanted, key)

    async def keep_note(
        request: Request, caller: Principal, handoff_id: UUID, given: Resolve, key: str | None
    ) -> UUID | None:
        if not given.note.strip():
            return None
        async with database.tenant_session(caller.tenant_id) as session:
            agent = await owning.agent(session, given.agent)
            origin = Origin("api", f"{caller.key_id}:note:{key}" if key is not None else request.state.request_id)
            [entry_id] = (await entries.note(session, vault, handoff_id, agent, given.note, origin)).entry_ids
        return entry_id

    return routes


async def _done(
    client: Client, caller: Principal, conversation_id: UUID, what: Action, wanted: AgentAct, key: str | None
) -> OwnerState:
    own_key = f"{caller.key_id}:{key}" if key is not None else None
    return OwnerState.model_validate(
        await temporal.act(client, caller.tenant_id, conversation_id, what, wanted, own_key)
    )
