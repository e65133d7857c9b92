"""Routes of contacts: who there is, what is remembered of them, and all that is held of one."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Shown
from konstruct import api_keys, contact_book, disclosing, erasing, handing_out
from konstruct.api_keys import Principal
from konstruct.contact_book import Filters, Known
from konstruct.db import Database
from konstruct.vault import Vault


class Contact(Shown):
    contact_id: UUID
    person_id: UUID = Field(description="Shared by contacts who are one person.")
    connection: str = Field(description="The connection's key.")
    kind: str = Field(description="Of the channel: slack, whatsapp or console.")
    external_id: str = Field(description="The channel's id, or another one of ours when they were erased.")
    name: str = Field(description="As far as it is known. Untrusted: they choose it.")
    since: datetime
    said_at: datetime | None = Field(description="When they last wrote.")
    opted_out_at: datetime | None
    erased_at: datetime | None
    conversations: int


class Contacts(BaseModel):
    contacts: list[Contact] = Field(description="Newest first.")
    next: UUID | None = Field(description="What `before` has to be for the next page; null when this is the last.")


class Wanted(shapes.Page):
    q: Annotated[str, Field(max_length=200)] = Field("", description="Words of a name, a number, an id or its start.")
    connection: str | None = Field(None, max_length=100, description="The key of a connection.")
    state: Literal["", "opted_out", "erased"] = ""


class Fact(Shown):
    fact_id: UUID
    contact_id: UUID
    conversation_id: UUID
    text: str
    happened_at: datetime
    confidence: float = Field(description="From 0 to 1.")


class Erasure(Shown):
    id: UUID
    asked_by: str
    asked_at: datetime
    error: str | None = Field(description="What the latest attempt failed of; it is tried again.")
    shredded_at: datetime | None = Field(description="Since when nothing of the person can be read.")
    is_cache_clear: bool
    ended_at: datetime | None
    contacts: int
    conversations: int
    messages: int
    memories: int


class Person(BaseModel):
    """A contact, with all contacts who are the same person, and what is known of them."""

    contact: Contact
    contacts: list[Contact]
    names: dict[UUID, list[str]] = Field(description="By contact: what else channels know them by.")
    facts: list[Fact] = Field(description="Newest first, 200 at most.")
    sayings: int
    files: int
    conversations: int
    erasure: Erasure | None = Field(description="The latest that was asked for.")

    @classmethod
    def of(cls, known: Known, erasure: object) -> "Person":
        return cls(
            contact=Contact.model_validate(known.asked),
            contacts=[Contact.model_validate(each) for each in known.contacts],
            names={of: list(names) for of, names in known.names.items()},
            facts=[Fact.model_validate(each) for each in known.facts],
            sayings=known.sayings,
            files=known.files,
            conversations=known.conversations_in_all,
            erasure=Erasure.model_validate(erasure) if erasure is not None else None,
        )


def router(access: Access, database: Database, vault: Vault) -> APIRouter:
    routes = APIRouter(prefix="/contacts", tags=["contacts"])
    reads, writes = access.needs("contacts:read"), access.needs("contacts:write")

    @routes.get("")
    async def list_contacts(caller: Annotated[Principal, reads], page: Annotated[Wanted, Query()]) -> Contacts:
        async with database.tenant_session(caller.tenant_id) as session:
            connection_id = await contact_book.connection(session, page.connection) if page.connection else None
            filters = Filters(page.q, connection_id, page.state)
            found = await contact_book.page(session, vault, caller.tenant_id, filters, page.limit, before=page.before)
        return Contacts(contacts=[Contact.model_validate(each) for each in found.entries], next=found.older)

    @routes.get("/{contact_id}")
    async def show_contact(caller: Annotated[Principal, reads], contact_id: UUID) -> Person:
        async with database.tenant_session(caller.tenant_id) as session:
            known = await contact_book.read(session, vault, contact_id)
            return Person.of(known, await erasing.latest(session, contact_id))

    @routes.post(
        "/{contact_id}/export",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/json": {}}, "description": "All that is held of the person."}},
    )
    async def export(caller: Annotated[Principal, writes], contact_id: UUID) -> Response:
        """All that is held of the person, for themselves. One that ends before its last brace was cut off. It takes the
        scope to write, for it hands out all there is; that it did is noted."""
        pieces = handing_out.begun(caller.tenant_id, disclosing.export(database, vault, caller.tenant_id, contact_id))
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await disclosing.note(session, vault, caller.tenant_id, contact_id, actor=actor)
        return StreamingResponse(pieces, media_type="application/json")

    return routes
