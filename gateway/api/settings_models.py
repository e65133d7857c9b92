"""Routes of a business's own keys of providers of models: tried before they are kept, and never shown."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.outside import Outside
from gateway.api.shapes import Given, Shown
from konstruct import api_keys, models
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.errors import Mistakes, NotFound
from konstruct.model_keys import keeping, trying
from konstruct.model_keys.keeping import Candidate, Provider
from konstruct.model_keys.trying import Trouble
from konstruct.ports import Limiter
from konstruct.vault import Vault


class OwnKey(Shown):
    provider: Provider
    base_url: str | None
    last_four: str | None
    fingerprint: str | None
    created_by: str
    created_at: datetime
    tested_at: datetime
    refused_at: datetime | None = Field(description="Since when the provider does not take it.")
    refused_why: str | None
    falls_back: bool = Field(description="Whether the deployment's is asked where the provider refuses this one.")


class OwnKeys(BaseModel):
    model_keys: list[OwnKey]
    of_deployment: list[str] = Field(description="Providers that can be asked without a key of your own.")


class NewKey(Given):
    api_key: Annotated[
        str, Field(max_length=1_000, description="Kept sealed; left out: the one that is kept. Ollama has none.")
    ] = ""
    base_url: Annotated[str, Field(max_length=1_000, description="Of a server of your own; Ollama needs one.")] = ""
    falls_back: Annotated[
        bool,
        Field(
            description="Lets the deployment's access stand in while the provider refuses yours; without an address."
        ),
    ] = False


class Tested(BaseModel):
    works: bool
    says: str = Field(description="Why it does not; empty where it does.")


def router(access: Access, database: Database, vault: Vault, limiter: Limiter, outside: Outside) -> APIRouter:
    routes = APIRouter(prefix="/settings/model-keys", tags=["settings"])

    @routes.get("")
    async def list_model_keys(caller: Annotated[Principal, access.needs("settings:read")]) -> OwnKeys:
        async with database.tenant_session(caller.tenant_id) as session:
            own = [OwnKey.model_validate(each) for each in await keeping.shown(session)]
        return OwnKeys(model_keys=own, of_deployment=sorted(models.providers(outside.settings)))

    @routes.put("/{provider}", openapi_extra=shapes.takes(NewKey))
    async def put_model_key(
        caller: Annotated[Principal, access.needs("settings:write")], provider: Provider, request: Request
    ) -> OwnKey:
        """Kept only when the provider has answered; it takes the place of the one before."""
        given = await shapes.read(request, NewKey)
        typed = keeping.typed(provider, given.api_key, given.base_url, falls_back=given.falls_back)
        async with database.tenant_session(caller.tenant_id) as session:
            candidate = await keeping.completed(session, vault, typed)
        if (trouble := await tried(caller, candidate)) is not None:
            raise Mistakes({trouble.field: trouble.sentence})
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await keeping.keep(session, vault, caller.tenant_id, candidate, actor=actor)
        async with database.tenant_session(caller.tenant_id) as session:
            kept = next((each for each in await keeping.shown(session) if each.provider == provider), None)
        if kept is None:
            raise NotFound("There is no key of your own for this provider any more.")
        return OwnKey.model_validate(kept)

    @routes.post("/{provider}/test")
    async def test_model_key(
        caller: Annotated[Principal, access.needs("settings:write")], provider: Provider
    ) -> Tested:
        """Asks the provider for one word of an answer."""
        async with database.tenant_session(caller.tenant_id) as session:
            kept = await keeping.candidate(session, vault, provider)
        trouble = await tried(caller, kept)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            if trouble is None or trouble.is_refusal:
                await keeping.note_tested(session, provider, trouble.sentence if trouble else None, actor=actor)
        return Tested(works=trouble is None, says=trouble.sentence if trouble else "")

    @routes.delete("/{provider}", status_code=204)
    async def remove_model_key(
        caller: Annotated[Principal, access.needs("settings:write")], provider: Provider
    ) -> None:
        """From then on the deployment's own is used again, if it has any."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await keeping.remove(session, provider, actor=actor)

    async def tried(caller: Principal, candidate: Candidate) -> Trouble | None:
        asks = (outside.settings, outside.web, outside.vendors)
        return await trying.try_for(database, limiter, caller.tenant_id, candidate, *asks)

    return routes
