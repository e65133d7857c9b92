"""Routes that judge a draft, and publish it: what differs, what is wrong, what its rules would have done."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, WithJsonSchema

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.employee_drafts import Seen, seen_last
from gateway.api.employee_shapes import RULES_SCHEMA, Difference, EmployeeKey, Fields
from gateway.api.shapes import Given, Shown
from konstruct import api_keys, pacing
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.designs import checking, comparing, drafting, dry_run, publishing, reviewing
from konstruct.escalation import rules
from konstruct.escalation.rules import Rules
from konstruct.models.context import count_tokens
from konstruct.ports import Limiter
from konstruct.vault import Vault


class Tried(Given):
    content: Fields = Field(Fields(), description="Looked at in the place of what the draft says; nothing is saved.")


class Trouble(Shown):
    field: str
    where: list[str | int] = Field(description="The way to it, as rules, 0, then.")
    sentence: str
    is_missing: bool = Field(description="Not there yet, rather than wrong.")


class Checked(BaseModel):
    is_ready: bool = Field(description="Whether it could be published.")
    problems: list[Trouble]
    tokens: int = Field(description="How long its instructions are.")


class Differences(BaseModel):
    against: str = Field(description="What it was compared with, in words.")
    differences: list[Difference]


class Publishing(Seen):
    over: Annotated[int, Field(ge=0, description="The version that was published when it was looked at; 0 for none.")]
    note: Annotated[str, Field(max_length=publishing.LONGEST_NOTE, description="Why, for people.")] = ""


class Published(Shown):
    number: int
    fields: list[str] = Field(description="What is other than in the version before.")


class Rehearsed(Given):
    escalation: Annotated[
        Rules | None, WithJsonSchema(RULES_SCHEMA), Field(description="The draft's if they are left out.")
    ] = None
    conversations: Annotated[Literal["own", "all"], Field(description="Its own, or those of all employees.")] = "own"


class Fired(Shown):
    turn_id: UUID | None
    began_at: datetime
    fired: str = Field(description="The rule that would have been acted on.")


class Past(Shown):
    conversation_id: UUID
    connection: str
    last_at: datetime
    turns: int
    handoffs: int = Field(description="How often people had it in fact.")
    fired: list[Fired]


class Ran(Shown):
    conversations: list[Past] = Field(description="The latest first.")
    left_out: int = Field(description="Others that there was no time for.")


def router(access: Access, database: Database, vault: Vault, limiter: Limiter) -> APIRouter:
    routes = APIRouter(prefix="/employees/{key}", tags=["employees"])

    @routes.get("/draft/changes")
    async def compare_draft(
        caller: Annotated[Principal, access.needs("employees:read")], key: EmployeeKey
    ) -> Differences:
        """What publishing would change."""
        async with database.tenant_session(caller.tenant_id) as session:
            draft = await drafting.read(session, key)
            before = await reviewing.published(session, draft)
        found = comparing.compare(before.content, draft.content)
        return Differences(against=before.title, differences=[Difference.of(each) for each in found])

    @routes.post("/draft/check", openapi_extra=shapes.takes(Tried))
    async def check_draft(
        caller: Annotated[Principal, access.needs("employees:read")], key: EmployeeKey, request: Request
    ) -> Checked:
        """What keeps it from being published. Nothing is saved."""
        given = await shapes.read(request, Tried)
        async with database.tenant_session(caller.tenant_id) as session:
            content = {**(await drafting.read(session, key)).content, **given.content.content()}
            problems = checking.problems(content, await checking.surroundings(session))
        told = [
            Trouble(field=each.field, where=list(each.loc), sentence=each.sentence, is_missing=each.is_missing)
            for each in problems
        ]
        return Checked(is_ready=not told, problems=told, tokens=count_tokens(content["system_prompt"]))

    @routes.post("/draft/try-rules", openapi_extra=shapes.takes(Rehearsed))
    async def try_rules_on_the_past(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, request: Request
    ) -> Ran:
        """What rules would have done in the latest conversations. No model is asked, and nobody is told."""
        given = await shapes.read(request, Rehearsed)
        async with database.tenant_session(caller.tenant_id) as session:
            draft = await drafting.read(session, key)
        wanted = given.escalation if given.escalation is not None else rules.read(draft.content["escalation"])
        await pacing.count(limiter, caller.tenant_id, pacing.DRY_RUNS)
        employee_id = draft.employee_id if given.conversations == "own" else None
        return Ran.model_validate(await dry_run.over_past(database, vault, caller.tenant_id, wanted, employee_id))

    @routes.post("/publish", status_code=201, openapi_extra=shapes.takes(Publishing))
    async def publish(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, request: Request
    ) -> Published:
        """Makes the draft the version that answers from the next message on."""
        given = await shapes.read(request, Publishing)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            done = await publishing.publish(
                session, key, revision=given.revision, over=given.over, note=given.note, actor=actor
            )
        return Published.model_validate(seen_last(done))

    return routes
