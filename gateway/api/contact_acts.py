"""What programs do with contacts: have things forgotten, join and separate them, say what they wish, erase people."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.contacts import Erasure
from gateway.api.shapes import Given
from konstruct import api_keys, consent, contact_book, contacts, erasing, temporal
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.errors import BadInput, NotFound
from konstruct.vault import Vault


class Forget(Given):
    facts: Annotated[list[UUID], Field(min_length=1, max_length=200)] | None = Field(
        None, description="Their ids; without any, everything that was said until now."
    )
    everything: bool = Field(False, description="Has to be true where no facts are named.")


class Forgotten(BaseModel):
    messages: int = Field(description="From so many nothing is brought to mind any more.")


class Other(Given):
    contact_id: UUID


class Changed(BaseModel):
    changed: bool = Field(description="False where it was so already.")


class Wish(Given):
    may_be_written_to: bool
    reason: Annotated[str, Field(min_length=1, max_length=300, description="How you know; kept sealed in the trail.")]


class Confirmed(Given):
    external_id: Annotated[str, Field(min_length=1, max_length=300, description="The contact's, so that it is meant.")]


def router(access: Access, database: Database, vault: Vault, client: Client) -> APIRouter:
    routes = APIRouter(prefix="/contacts", tags=["contacts"])
    writes = access.needs("contacts:write")

    @routes.post("/{contact_id}/forget", openapi_extra=shapes.takes(Forget))
    async def forget(caller: Annotated[Principal, writes], contact_id: UUID, request: Request) -> Forgotten:
        """No employee brings it to mind again. The record of what was said stays; nobody can undo it."""
        wanted = await shapes.read(request, Forget)
        if (wanted.facts is None) != wanted.everything:
            raise BadInput("Name facts by their ids, or say that everything is to be forgotten.")
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            forgotten = await contacts.forget(session, caller.tenant_id, contact_id, wanted.facts, actor=actor)
        return Forgotten(messages=forgotten)

    @routes.post("/{contact_id}/join", openapi_extra=shapes.takes(Other))
    async def join(caller: Annotated[Principal, writes], contact_id: UUID, request: Request) -> Changed:
        """They are one person: what one of them said is remembered when the other writes."""
        other = await shapes.read(request, Other)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await contact_book.require_there(session, [contact_id, other.contact_id])
            joined = await contacts.join(session, caller.tenant_id, contact_id, other.contact_id, actor=actor)
        return Changed(changed=joined)

    @routes.post("/{contact_id}/separate")
    async def separate(caller: Annotated[Principal, writes], contact_id: UUID) -> Changed:
        """This contact is a person of their own."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            return Changed(changed=await contacts.separate(session, caller.tenant_id, contact_id, actor=actor))

    @routes.put("/{contact_id}/consent", openapi_extra=shapes.takes(Wish))
    async def state_wish(caller: Annotated[Principal, writes], contact_id: UUID, request: Request) -> Changed:
        """Whether they may be written to, as they said elsewhere."""
        wish = await shapes.read(request, Wish)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            is_out = not wish.may_be_written_to
            changed = await consent.state_wish(session, vault, contact_id, is_out=is_out, by=actor, reason=wish.reason)
        return Changed(changed=changed)

    @routes.post("/{contact_id}/erase", status_code=202, openapi_extra=shapes.takes(Confirmed))
    async def erase(caller: Annotated[Principal, writes], contact_id: UUID, request: Request) -> Erasure:
        """For good, all that is kept of the person, on all their channels. It is done in the background: `erasure` of
        the contact says how far it is. Asked again, one that was cut off goes on."""
        confirmed = await shapes.read(request, Confirmed)
        async with database.tenant_session(caller.tenant_id) as session:
            erasure = await _asked(session, vault, caller, contact_id, confirmed.external_id)
        await temporal.start_erasure(client, caller.tenant_id, erasure.id)
        return erasure

    return routes


async def _asked(session: AsyncSession, vault: Vault, caller: Principal, contact_id: UUID, external_id: str) -> Erasure:
    """Put down now, or before; then it goes on."""
    actor = await api_keys.actor_of(session, caller.key_id)
    entry = await contact_book.entry(session, vault, contact_id)
    if entry.erased_at is None:
        if external_id != entry.external_id:
            raise BadInput("external_id: is not this contact's.")
        await erasing.ask(session, caller.tenant_id, contact_id, actor=actor)
        await session.flush()
    erasure = await erasing.latest(session, contact_id)
    if erasure is None or erasure.ended_at is not None:
        raise NotFound("This contact was erased.")
    return Erasure.model_validate(erasure)
