"""Routes of consults: what employees asked their colleagues, and a colleague's answer."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from temporalio.client import Client

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.handoff_acts import Act
from gateway.api.shapes import Page
from konstruct import consults, temporal
from konstruct.api_keys import Principal
from konstruct.consults import LONGEST_ANSWER, Asked
from konstruct.db import Database
from konstruct.handoffs import owning
from konstruct.vault import Vault

State = Literal["waiting", "answered", "expired", "withdrawn"]


class Consult(BaseModel):
    id: UUID
    conversation_id: UUID
    employee: str
    colleague: str = Field(description="Who was asked, as the desk knows them.")
    colleague_name: str
    question: str = Field(description="Written by a model, and untrusted: a contact's words may be in it.")
    state: State
    answer: str
    settled_at: datetime | None
    expires_at: datetime
    created_at: datetime

    @classmethod
    def of(cls, asked: Asked) -> "Consult":
        shown = {name: getattr(asked, name) for name in cls.model_fields if name != "id"}
        return cls(id=asked.consult_id, **shown)


class Consults(BaseModel):
    consults: list[Consult] = Field(description="Newest first.")
    next: UUID | None = Field(description="What `before` has to be for the next page; null when this one is empty.")


class ConsultsPage(Page):
    state: State | None = None


class Answer(Act):
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_ANSWER)]


def router(access: Access, database: Database, vault: Vault, client: Client) -> APIRouter:
    routes = APIRouter(prefix="/consults", tags=["consults"])

    @routes.get("")
    async def list_consults(
        caller: Annotated[Principal, access.needs("handoffs:read")], page: Annotated[ConsultsPage, Query()]
    ) -> Consults:
        async with database.tenant_session(caller.tenant_id) as session:
            found = await consults.listing(session, vault, state=page.state, limit=page.limit, before=page.before)
        return Consults(consults=[Consult.of(asked) for asked in found], next=found[-1].consult_id if found else None)

    @routes.post("/{consult_id}/answer", openapi_extra=shapes.takes(Answer))
    async def answer(
        caller: Annotated[Principal, access.needs("handoffs:act")], consult_id: UUID, request: Request
    ) -> Consult:
        """Of whoever was asked alone. The first answer counts; the same again changes nothing."""
        given = await shapes.read(request, Answer)
        async with database.tenant_session(caller.tenant_id) as session:
            agent = await owning.agent(session, given.agent)
            answered = await consults.answer(session, vault, consult_id, agent, given.text)
        await temporal.mention_consult(client, caller.tenant_id, consult_id)
        return Consult.of(answered)

    return routes
