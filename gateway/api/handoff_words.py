"""Routes of what agents write, and have written for them. Sent again under the same key, it changes nothing."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from temporalio.client import Client

from gateway.api import shapes, uploaded
from gateway.api.access import Access
from gateway.api.handoff_acts import Act
from gateway.api.shapes import IdempotencyKey
from konstruct import reply_window, temporal
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.handoffs import entries, finding, owning
from konstruct.handoffs.enclosing import Enclosing
from konstruct.handoffs.entries import Origin, Written
from konstruct.ports import Messenger
from konstruct.vault import Vault


class Saying(Act):
    text: Annotated[str, Field(min_length=1, max_length=40_000)]


_TAKES_FILES: Final = uploaded.takes(
    {"agent": "As the desk knows the agent.", "text": "What goes out before the files; may be left out."}
)


class Said(BaseModel):
    entry_ids: list[UUID]
    message_ids: list[UUID] = Field(description="Of what goes to the contact.")
    is_new: bool = Field(description="False where this key was used before, and nothing was done.")
    held: str | None = Field(None, description="Why it does not go to the contact yet, and when it will.")


_AGAIN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": Said, "description": "The key was used before: what it did then."}
}


class Asked(BaseModel):
    entry_id: UUID = Field(description="The packet's entry in which it will stand.")


class SayingWithFiles(Act):
    text: Annotated[str, Field(max_length=40_000)] = ""


def router(
    access: Access,
    database: Database,
    vault: Vault,
    client: Client,
    messengers: Mapping[str, Messenger],
    enclosing: Enclosing,
) -> APIRouter:
    routes = APIRouter(prefix="/handoffs/{handoff_id}", tags=["handoffs"])

    @routes.post("/replies", status_code=201, responses=_AGAIN, openapi_extra=shapes.takes(Saying))
    async def reply(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        response: Response,
        key: IdempotencyKey,
    ) -> Said:
        """Lines that start with `//` stay among people, as a note does."""
        given = await shapes.read(request, Saying)
        async with database.tenant_session(caller.tenant_id) as session:
            agent = await owning.agent(session, given.agent)
            origin = Origin("api", f"{caller.key_id}:{key}")
            split = messengers[await finding.channel_kind(session, handoff_id)].split
            written = await entries.write(session, vault, handoff_id, agent, given.text, origin, split)
        await temporal.send(client, caller.tenant_id, written.conversation_id, written.message_ids)
        await temporal.mention_handoff(client, caller.tenant_id, handoff_id)
        return _said(written, response)

    @routes.post("/files", status_code=201, responses=_AGAIN, openapi_extra=_TAKES_FILES)
    async def reply_with_files(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        response: Response,
        key: IdempotencyKey,
    ) -> Said:
        """A reply with files, and with text or without. What they are is judged by their content; what the channel does
        not take is refused before anything is kept."""
        given, uploads = await uploaded.read(request, SayingWithFiles)
        origin = Origin("api", f"{caller.key_id}:{key}")
        async with database.tenant_session(caller.tenant_id) as session:
            agent = await owning.agent(session, given.agent)
            split = messengers[await finding.channel_kind(session, handoff_id)].split
        ready = await enclosing.make_ready(caller.tenant_id, handoff_id, agent, uploads, origin)
        async with database.tenant_session(caller.tenant_id) as session:
            written = await entries.write(session, vault, handoff_id, agent, given.text, origin, split, ready)
        await temporal.send(client, caller.tenant_id, written.conversation_id, written.message_ids)
        await temporal.mention_handoff(client, caller.tenant_id, handoff_id)
        return _said(written, response)

    @routes.post("/notes", status_code=201, responses=_AGAIN, openapi_extra=shapes.takes(Saying))
    async def note(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        response: Response,
        key: IdempotencyKey,
    ) -> Said:
        given = await shapes.read(request, Saying)
        async with database.tenant_session(caller.tenant_id) as session:
            agent = await owning.agent(session, given.agent)
            origin = Origin("api", f"{caller.key_id}:{key}")
            written = await entries.note(session, vault, handoff_id, agent, given.text, origin)
        await temporal.mention_handoff(client, caller.tenant_id, handoff_id)
        return _said(written, response)

    @routes.post("/draft", status_code=202, openapi_extra=shapes.takes(Act))
    async def draft(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        key: IdempotencyKey,
    ) -> Asked:
        return await ask(caller, handoff_id, "draft", await shapes.read(request, Act), key)

    @routes.post("/summary", status_code=202, openapi_extra=shapes.takes(Act))
    async def summary(
        caller: Annotated[Principal, access.needs("handoffs:act")],
        handoff_id: UUID,
        request: Request,
        key: IdempotencyKey,
    ) -> Asked:
        return await ask(caller, handoff_id, "summary", await shapes.read(request, Act), key)

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


def _said(written: Written, response: Response) -> Said:
    if not written.is_new:
        response.status_code = 200
    held = reply_window.WAITS if written.waits else None
    return Said(entry_ids=written.entry_ids, message_ids=written.message_ids, is_new=written.is_new, held=held)
