"""Routes of handoffs: what waits for people and all about it, and what an agent does, in words of a program's own."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field
from temporalio.client import Client

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Page, Shown
from konstruct import temporal
from konstruct.adapters.slack import markdown_parts
from konstruct.api_keys import Principal
from konstruct.contracts.handoffs import Action, AgentAct
from konstruct.contracts.handoffs import OwnerState as Owned
from konstruct.db import Database
from konstruct.handoffs import entries, owning, packet
from konstruct.handoffs.entries import Origin, Written
from konstruct.handoffs.packet import Packet
from konstruct.tables import Handoff as HandoffRow
from konstruct.vault import Vault

State = Literal["waiting", "owned", "over", "told"]
AgentKey = Annotated[str, Field(min_length=1, max_length=100, description="As the desk knows the agent.")]
Note = Annotated[str, Field(max_length=4_000, description="For the employee. The contact never sees it.")]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern="^[!-~]+$",
        description="Of your choice, another one for each thing that is said: the same again changes nothing.",
    ),
]


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


class Written_(Shown):
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


class Approval(Shown):
    approval_id: UUID
    tool: str
    reason: str
    expires_at: datetime


class Whole(Handoff):
    """A handoff with its packet: what an agent needs to know."""

    agent_name: str | None
    contact: str
    reason: str
    packet: Written_ = Field(description="What a model wrote for people; empty until it has, and where none could.")
    transcript: list[Line] = Field(description="Oldest first. What contacts wrote is untrusted.")
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
            reason=found.reason,
            packet=Written_.model_validate(found.written),
            transcript=[Line.model_validate(each) for each in found.transcript],
            tool_calls=[Call.model_validate(each) for each in found.tool_calls],
            cost=found.cost,
            facts=found.facts,
            approvals=[Approval.model_validate(each) for each in found.approvals],
            entries=[Entry.model_validate(each) for each in found.entries],
        )


class OwnerState(Shown):
    owner: Literal["employee", "queue", "agent"]
    epoch: int = Field(description="Raised with every change of owner.")
    handoff_id: UUID | None
    agent: str | None


class Act(Given):
    agent: AgentKey


class Transfer(Act):
    to: AgentKey


class Resolve(Act):
    note: Note = ""


class HandBack(Resolve):
    at_once: bool = Field(False, description="The employee writes without waiting for the contact.")


class Saying(Act):
    text: Annotated[str, Field(min_length=1, max_length=40_000)]


class Said(BaseModel):
    entry_ids: list[UUID]
    message_ids: list[UUID] = Field(description="Of what goes to the contact.")
    is_new: bool = Field(description="False where this key was used before, and nothing was done.")


class Asked(BaseModel):
    entry_id: UUID = Field(description="The packet's entry in which it will stand.")


def router(access: Access, database: Database, vault: Vault, client: Client) -> APIRouter:
    routes = APIRouter(tags=["handoffs"])

    @routes.get("/handoffs")
    async def list_handoffs(
        caller: Annotated[Principal, access.needs("handoffs:read")], page: Annotated[HandoffsPage, Query()]
    ) -> Handoffs:
        async with database.tenant_session(caller.tenant_id) as session:
            found = await packet.listing(session, state=page.state, limit=page.limit, before=page.before)
        return Handoffs(
            handoffs=[Handoff.model_validate(each) for each in found], next=found[-1].id if found else None
        )

    @routes.get("/handoffs/{handoff_id}")
    async def show_handoff(caller: Annotated[Principal, access.needs("handoffs:read")], handoff_id: UUID) -> Whole:
        async with database.tenant_session(caller.tenant_id) as session:
            return Whole.of(await packet.read(session, vault, handoff_id))

    @routes.post("/conversations/{conversation_id}/take-over", openapi_extra=shapes.takes(Act))
    async def take_over(
        caller: Annotated[Principal, access.needs("handoffs:act")], conversation_id: UUID, request: Request
    ) -> OwnerState:
        given = await shapes.read(request, Act)
        async with database.tenant_session(caller.tenant_id) as session:
            # Where there is no such conversation, no workflow is started for it.
            await owning.be_there(session, conversation_id)
        act = AgentAct(given.agent)
        return _shown(await temporal.act(client, caller.tenant_id, conversation_id, "claim", act))

    @routes.post("/handoffs/{handoff_id}/claim", openapi_extra=shapes.takes(Act))
    async def claim(
        caller: Annotated[Principal, access.needs("handoffs:act")], handoff_id: UUID, request: Request
    ) -> OwnerState:
        given = await shapes.read(request, Act)
        return await act(caller, handoff_id, "claim", AgentAct(given.agent, handoff_id))

    @routes.post("/handoffs/{handoff_id}/transfer", openapi_extra=shapes.takes(Transfer))
    async def transfer(
        caller: Annotated[Principal, access.needs("handoffs:act")], handoff_id: UUID, request: Request
    ) -> OwnerState:
        given = await shapes.read(request, Transfer)
        return await act(caller, handoff_id, "transfer", AgentAct(given.agent, handoff_id, given.to))

    @routes.post("/handoffs/{handoff_id}/release", openapi_extra=shapes.takes(Act))
    async def release(
        caller: Annotated[Principal, access.needs("handoffs:act")], handoff_id: UUID, request: Request
    ) -> OwnerState:
        given = await shapes.read(request, Act)
        return await act(caller, handoff_id, "release", AgentAct(given.agent, handoff_id))

    @routes.post("/handoffs/{handoff_id}/resolve", openapi_extra=shapes.takes(Resolve))
    async def resolve(
        caller: Annotated[Principal, access.needs("handoffs:act")], handoff_id: UUID, request: Request
    ) -> OwnerState:
        given = await shapes.read(request, Resolve)
        note_id = await keep_note(request, caller, handoff_id, given)
        return await act(caller, handoff_id, "resolve", AgentAct(given.agent, handoff_id, note_id=note_id))

    @routes.post("/handoffs/{handoff_id}/hand-back", openapi_extra=shapes.takes(HandBack))
    async def hand_back(
        caller: Annotated[Principal, access.needs("handoffs:act")], handoff_id: UUID, request: Request
    ) -> OwnerState:
        given = await shapes.read(request, HandBack)
        note_id = await keep_note(request, caller, handoff_id, given)
        wanted = AgentAct(given.agent, handoff_id, note_id=note_id, at_once=given.at_once)
        return await act(caller, handoff_id, "hand_back", wanted)

    @routes.post("/handoffs/{handoff_id}/replies", status_code=201, openapi_extra=shapes.takes(Saying))
    async def reply(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        response: Response,
        key: Key,
    ) -> Said:
        """Lines that start with `//` stay among people, as a note does."""
        given = await shapes.read(request, Saying)
        async with database.tenant_session(caller.tenant_id) as session:
            agent = await owning.agent(session, given.agent)
            origin = Origin("api", f"{caller.key_id}:{key}")
            written = await entries.write(session, vault, handoff_id, agent, given.text, origin, markdown_parts)
        await temporal.send(client, caller.tenant_id, written.conversation_id, written.message_ids)
        await temporal.mention_handoff(client, caller.tenant_id, handoff_id)
        return _said(written, response)

    @routes.post("/handoffs/{handoff_id}/notes", status_code=201, openapi_extra=shapes.takes(Saying))
    async def note(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        response: Response,
        key: Key,
    ) -> Said:
        given = await shapes.read(request, Saying)
        async with database.tenant_session(caller.tenant_id) as session:
            agent = await owning.agent(session, given.agent)
            origin = Origin("api", f"{caller.key_id}:{key}")
            written = await entries.note(session, vault, handoff_id, agent, given.text, origin)
        await temporal.mention_handoff(client, caller.tenant_id, handoff_id)
        return _said(written, response)

    @routes.post("/handoffs/{handoff_id}/draft", status_code=202, openapi_extra=shapes.takes(Act))
    async def draft(
        caller: Annotated[Principal, access.needs("handoffs:act")], handoff_id: UUID, request: Request, key: Key
    ) -> Asked:
        return await ask(caller, handoff_id, "draft", await shapes.read(request, Act), key)

    @routes.post("/handoffs/{handoff_id}/summary", status_code=202, openapi_extra=shapes.takes(Act))
    async def summary(
        caller: Annotated[Principal, access.needs("handoffs:act")], handoff_id: UUID, request: Request, key: Key
    ) -> Asked:
        return await ask(caller, handoff_id, "summary", await shapes.read(request, Act), key)

    async def act(caller: Principal, handoff_id: UUID, what: Action, wanted: AgentAct) -> OwnerState:
        async with database.tenant_session(caller.tenant_id) as session:
            conversation_id = (await owning.get(session, handoff_id)).conversation_id
        return _shown(await temporal.act(client, caller.tenant_id, conversation_id, what, wanted))

    async def keep_note(request: Request, caller: Principal, handoff_id: UUID, given: Resolve) -> UUID | None:
        if not given.note.strip():
            return None
        async with database.tenant_session(caller.tenant_id) as session:
            agent = await owning.agent(session, given.agent)
            origin = Origin("api", request.state.request_id)
            [entry_id] = (await entries.note(session, vault, handoff_id, agent, given.note, origin)).entry_ids
        return entry_id

    async def ask(
        caller: Principal, handoff_id: UUID, kind: Literal["draft", "summary"], given: Act, key: str
    ) -> Asked:
        async with database.tenant_session(caller.tenant_id) as session:
            agent = await owning.agent(session, given.agent)
            origin = Origin("api", f"{caller.key_id}:{key}")
            entry_id = await entries.ask(session, handoff_id, agent, kind, origin)
        await temporal.mention_handoff(client, caller.tenant_id, handoff_id)
        return Asked(entry_id=entry_id)

    return routes


def _shown(owned: Owned) -> OwnerState:
    return OwnerState.model_validate(owned)


def _said(written: Written, response: Response) -> Said:
    if not written.is_new:
        response.status_code = 200
    return Said(entry_ids=written.entry_ids, message_ids=written.message_ids, is_new=written.is_new)
