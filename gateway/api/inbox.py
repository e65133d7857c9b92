"""The route of the inbox: what waits for people and who has what, in the order in which agents see it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gateway.api.access import Access
from gateway.api.shapes import Given, Shown
from konstruct.api_keys import Principal
from konstruct.connecting import overview
from konstruct.db import Database
from konstruct.sharing import one_of_few
from konstruct.vault import Vault
from konstruct.workbench import listing
from konstruct.workbench.listing import Looked
from konstruct.workbench.rows import Row
from konstruct.workbench.views import Asked, View


class Asking(Given):
    view: View = Field(
        "needs",
        description="needs: waits for a person, the most pressing first, then what waits longest; mine: what `agent`"
        " has; owned: what any agent has; open: both; told: people were only told of it; closed: over; all: every"
        " conversation.",
    )
    agent: str | None = Field(None, description="By whose key `mine` is meant.")
    employee: str | None = Field(None, description="Its key.")
    connection_id: UUID | None = None
    kind: Literal["slack", "whatsapp", "console"] | None = Field(None, description="Of the channel.")
    to: str | None = Field(None, description="The group or the person who was asked for.")
    priority: Literal["urgent", "high", "normal", "low"] | None = None
    q: str = Field(
        "",
        max_length=200,
        description="A name, a number, an id, a rule or words that were said. Words are looked for as long as a request"
        " may take; `looked` says how far, and `next` goes on from there.",
    )
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: str | None = Field(None, max_length=400, description="The `next` of the page before, in the same view.")


class Entry(Shown):
    conversation_id: UUID
    handoff_id: UUID | None
    state: Literal["waiting", "owned", "over", "told"] | None = Field(description="Of the handoff.")
    contact: str = Field(description="As they are known. Untrusted.")
    kind: str
    connection_id: UUID
    employee: str = Field(description="Its name.")
    cause: str | None
    rule: str | None
    reason: str
    priority: str | None
    target: str | None
    agent: str | None
    agent_name: str | None
    since: datetime = Field(description="When it began to wait, was taken or was over.")
    last_message_at: datetime
    said_by: str | None = Field(description="Who said the last: contact, employee, agent or system.")
    preview: str = Field(description="The beginning of the last that was said. Untrusted.")
    closes_at: datetime | None = Field(description="When the channel takes no answer any more, where that is near.")

    @classmethod
    def of(cls, row: Row) -> "Entry":
        shown = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        return cls(**shown | {"connection_id": row.connection.id, "last_message_at": row.last_at})


class HowFar(Shown):
    conversations: int
    back_to: datetime | None
    is_whole: bool = Field(description="Whether there is nothing further to look into.")


class Inbox(BaseModel):
    conversations: list[Entry]
    next: str | None = Field(description="What `after` has to be for the next page; null when this is the last.")
    looked: HowFar | None = Field(description="How far words were looked for.")


def router(access: Access, database: Database, vault: Vault) -> APIRouter:
    routes = APIRouter(prefix="/inbox", tags=["inbox"])

    @routes.get("")
    async def show_inbox(
        caller: Annotated[Principal, access.needs("handoffs:read")], asking: Annotated[Asking, Query()]
    ) -> Inbox:
        async with one_of_few(caller.tenant_id), database.tenant_session(caller.tenant_id) as session:
            keys = {each.key: each.employee_id for each in await overview.employees(session)}
            asked = Asked(
                view=asking.view,
                agent=asking.agent,
                # One that there is not is nobody's employee.
                employee_id=keys.get(asking.employee, UUID(int=0)) if asking.employee is not None else None,
                connection_id=asking.connection_id,
                kind=asking.kind,
                to=asking.to,
                priority=asking.priority,
                text=asking.q,
                after=asking.after,
            )
            found = await listing.page(session, vault, caller.tenant_id, asked, at_most=asking.limit)
        return Inbox(
            conversations=[Entry.of(row) for row in found.rows], next=found.next, looked=_how_far(found.looked)
        )

    return routes


def _how_far(looked: Looked | None) -> HowFar | None:
    return HowFar.model_validate(looked) if looked is not None else None
