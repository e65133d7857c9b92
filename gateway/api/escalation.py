"""The route of a dry run: which rules would have fired in a conversation, and why."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gateway.api.access import Access
from gateway.api.shapes import Given, Shown
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.escalation import trying
from konstruct.vault import Vault


class Looked(Shown):
    condition: str
    holds: bool
    sentence: str


class Rule(Shown):
    rule: str
    fires: bool = Field(description="Whether its conditions hold. Only the first of those that do is acted on.")
    looked: list[Looked]


class Turn(Shown):
    turn_id: UUID | None = Field(description="Null where people took over before anything was judged.")
    began_at: datetime
    texts: list[str] = Field(description="What the contact wrote, which is untrusted.")
    is_judged: bool = Field(description="Whether a judgement was kept. If not, words decide here.")
    fired: str | None = Field(description="The rule that would have been acted on.")
    rules: list[Rule]


class Turns(BaseModel):
    turns: list[Turn] = Field(description="The latest, oldest first.")


class Latest(Given):
    limit: Annotated[int, Field(ge=1, le=trying.MOST_TURNS)] = 20


def router(access: Access, database: Database, vault: Vault) -> APIRouter:
    routes = APIRouter(tags=["handoffs"])

    @routes.get("/conversations/{conversation_id}/escalation")
    async def try_rules(
        caller: Annotated[Principal, access.needs("handoffs:read")],
        conversation_id: UUID,
        latest: Annotated[Latest, Query()],
    ) -> Turns:
        """With the rules that its employee has now. No model is asked, and nobody is told."""
        async with database.tenant_session(caller.tenant_id) as session:
            found = await trying.try_out(session, vault, conversation_id, at_most=latest.limit)
        return Turns(turns=[Turn.model_validate(each) for each in found])

    return routes
