"""Routes of rehearsals: a draft is tried out by a program, which has one of its own with each employee."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from temporalio.client import Client

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.employee_shapes import EmployeeKey
from gateway.api.shapes import Given, IdempotencyKey, Shown
from konstruct import api_keys, temporal
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.designs import drafting
from konstruct.errors import NotFound
from konstruct.ports import Limiter
from konstruct.rehearsals import rooms, showing, trying
from konstruct.rehearsals.showing import Shown as Panel
from konstruct.tables import Rehearsal
from konstruct.vault import Vault


class Asking(Shown):
    approval_id: UUID
    fingerprint: str = Field(description="Of exactly the call's arguments. A decision has to name it.")
    reason: str
    state: str


class Call(Shown):
    step: int
    tool: str
    risk: str
    state: str
    arguments: str
    result: str
    seconds: float | None
    would: list[tuple[str, str]] = Field(description="What a simulated one would have sent, by names.")
    asking: Asking | None = Field(description="A person's yes that it waits for, or waited for.")


class ModelCall(Shown):
    purpose: str
    name: str
    outcome: str
    error: str | None
    input_tokens: int
    output_tokens: int
    cost: Decimal | None = Field(description="US dollars; null where the price is not known.")
    seconds: float


class Passage(Shown):
    title: str
    text: str
    link: str | None


class Fired(Shown):
    rule: str
    then: str
    why: list[str]
    to: str | None


class PromptLine(Shown):
    role: str
    content: str
    calls: list[str] = Field(description="Of tools, each as the model wrote it.")


class Remembered(Shown):
    text: str
    said_at: str
    kind: str


class WouldAsk(Shown):
    tool: str
    why: str


class Thought(Shown):
    step: int
    model: str = Field(description="Which answered.")
    prompts: dict[str, list[PromptLine]] = Field(description="What was sent to each model that was asked.")
    tools: list[str] = Field(description="That the model was shown.")
    recalled: list[Remembered]
    passages: list[Passage] = Field(description="Found beforehand, for a model that cannot look for itself.")
    rules: list[str] = Field(description="That were looked at.")
    fired: Fired | None
    would_ask: list[WouldAsk] = Field(description="Whom it would have asked before a tool is used.")
    turned_down: str = Field(description="Why it was answered without a model.")
    away: str = Field(description="What contacts would have read instead, outside its hours.")
    problem: str


class Turn(Shown):
    """How one answer came about."""

    turn_id: UUID
    thoughts: list[Thought]
    calls: list[Call]
    models: list[ModelCall]
    cost: Decimal
    tokens: int
    seconds: float | None


class Line(Shown):
    message_id: UUID
    author: str = Field(description="you, employee; note: what the employee was told; notice: a sentence of ours.")
    text: str
    at: datetime
    state: str
    is_handed_off: bool = Field(description="Whether people would have the conversation from here on.")
    turn: Turn | None


class Rehearsed(BaseModel):
    conversation_id: UUID
    draft_revision: int = Field(description="Of the draft that answers.")
    is_behind: bool = Field(description="Whether the draft has moved on since.")
    acts: bool = Field(description="Whether tools are really used; else what they would have sent is shown.")
    created_at: datetime
    is_waiting: bool = Field(description="Whether an answer is still to come.")
    trouble: str = Field(description="Why it takes so long, in a sentence; empty where all is well.")
    cost: Decimal = Field(description="US dollars, as far as prices are known.")
    lines: list[Line] = Field(description="Oldest first.")
    under_way: Turn | None = Field(description="What is known of the answer that is still to come.")

    @classmethod
    def of(cls, panel: Panel, revision: int) -> "Rehearsed":
        of = panel.rehearsal
        return cls(
            conversation_id=of.conversation_id,
            draft_revision=of.draft_revision,
            is_behind=of.draft_revision != revision,
            acts=of.acts,
            created_at=of.created_at,
            is_waiting=panel.is_waiting,
            trouble=panel.trouble,
            cost=panel.cost,
            lines=[Line.model_validate(line) for line in panel.lines],
            under_way=Turn.model_validate(panel.under_way) if panel.under_way else None,
        )


class Beginning(Given):
    acts: Annotated[bool, Field(description="Whether tools are really used: then it does what it says.")] = False


class Saying(Given):
    text: Annotated[str, Field(min_length=1, max_length=rooms.LONGEST)]


class Said(BaseModel):
    message_id: UUID
    is_new: bool = Field(description="False where this key was used before, and nothing was done.")


class Decision(Given):
    is_yes: bool
    fingerprint: Annotated[str, Field(min_length=1, max_length=200, description="Of what was looked at.")]


def router(access: Access, database: Database, vault: Vault, limiter: Limiter, client: Client) -> APIRouter:
    routes = APIRouter(prefix="/employees/{key}/rehearsal", tags=["rehearsals"])

    @routes.get("")
    async def show_rehearsal(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey
    ) -> Rehearsed:
        """With how each answer came about, and what it cost. Ask again while `is_waiting`."""
        return await shown(caller, key)

    @routes.post("", status_code=201, openapi_extra=shapes.takes(Beginning))
    async def begin_rehearsal(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, request: Request
    ) -> Rehearsed:
        """A new one, with the draft as it is now; nothing more comes of the one before."""
        given = await shapes.read(request, Beginning)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            draft = await trying.triable(session, key)
            before = await rooms.latest(session, draft.employee_id, caller.key_id)
        if before is not None:
            await trying.stop(client, before)
        async with database.tenant_session(caller.tenant_id) as session:
            await rooms.start(session, draft, user_id=caller.key_id, acts=given.acts, actor=actor)
        return await shown(caller, key)

    @routes.post("/messages", status_code=202, openapi_extra=shapes.takes(Saying))
    async def say(
        caller: Annotated[Principal, access.needs("employees:write")],
        key: EmployeeKey,
        request: Request,
        idempotency_key: IdempotencyKey,
    ) -> Said:
        """As a contact would. Begins a rehearsal that simulates, where there is none."""
        given = await shapes.read(request, Saying)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            rehearsal = await trying.begun(session, key, caller.key_id, acts=False, actor=actor)
        accepted = await rooms.say(
            *(database, vault, limiter, client, rehearsal, given.text),
            user_id=caller.key_id,
            external_id=f"{caller.key_id}:{idempotency_key}",
        )
        return Said(message_id=accepted.message_id, is_new=accepted.is_new)

    @routes.put("/acts", openapi_extra=shapes.takes(Beginning))
    async def choose_acting(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, request: Request
    ) -> Rehearsed:
        given = await shapes.read(request, Beginning)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            rehearsal = _there(await trying.latest(session, key, caller.key_id))
            await rooms.choose_acting(session, rehearsal, acts=given.acts, user_id=caller.key_id, actor=actor)
        return await shown(caller, key)

    @routes.post("/stop", status_code=204)
    async def stop(caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey) -> None:
        """What is not answered yet is not to be."""
        async with database.tenant_session(caller.tenant_id) as session:
            rehearsal = _there(await trying.latest(session, key, caller.key_id))
        await trying.stop(client, rehearsal)

    @routes.post("/approvals/{approval_id}", status_code=204, openapi_extra=shapes.takes(Decision))
    async def decide(
        caller: Annotated[Principal, access.needs("employees:write")],
        key: EmployeeKey,
        approval_id: UUID,
        request: Request,
    ) -> None:
        """A yes or no to a call of this rehearsal."""
        given = await shapes.read(request, Decision)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await trying.decide(
                *(session, vault, approval_id, caller.key_id),
                is_yes=given.is_yes,
                fingerprint=given.fingerprint,
                actor=actor,
            )
        await temporal.tell_decided(client, caller.tenant_id, approval_id)

    @routes.delete("", status_code=204)
    async def forget(caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey) -> None:
        """All rehearsals of this key with the employee, and what was said in them."""
        async with database.tenant_session(caller.tenant_id) as session:
            rehearsal = _there(await trying.latest(session, key, caller.key_id))
        await trying.stop(client, rehearsal)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await rooms.forget(session, caller.tenant_id, rehearsal.contact_id, actor=actor)

    async def shown(caller: Principal, key: str) -> Rehearsed:
        async with database.tenant_session(caller.tenant_id) as session:
            draft = await drafting.read(session, key)
            rehearsal = _there(await rooms.latest(session, draft.employee_id, caller.key_id))
            return Rehearsed.of(await showing.show(session, vault, rehearsal), draft.revision)

    return routes


def _there(rehearsal: Rehearsal | None) -> Rehearsal:
    if rehearsal is None:
        raise NotFound("This key has no rehearsal with the employee: say something to begin one.")
    return rehearsal
