"""What one tenant's work in the background does with what another tenant asked for, which is nothing."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import pytest
from pydantic import JsonValue, SecretStr
from sqlmodel import select
from temporalio.testing import ActivityEnvironment

from activities.billing import Billing
from activities.checking import Checking
from activities.erasing import Erasing
from activities.locating import Locator
from activities.questions import Questions
from activities.tool_servers import ToolServers
from konstruct.audit.signing import Signatures
from konstruct.billing import events
from konstruct.billing_ports import CustomerFacts, Event, Payments, SubscriptionFacts
from konstruct.contracts.billing import SubscriptionState
from konstruct.contracts.knowledge import QuestionToLocate
from konstruct.contracts.upkeep import Asked, ServerToLookAt
from konstruct.db import Database
from konstruct.errors import Misconfigured, NotFound
from konstruct.identity import new_id
from konstruct.source_ports import McpResult, McpServer, McpTool
from konstruct.tables import AuditCheck, ContactErasure, Tool
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.doubles import GivenEmbedders, KeptWindows, NothingCools
from tests.support.keys import ENCRYPTION_KEY
from tests.support.office import Furnished
from tests.support.workshop import offered
from tests.tenancy.attempts_on_money import customer_of
from tests.tenancy.attempts_on_tools import SERVER
from tests.tenancy.conftest import Snapshot


@dataclass
class RecordingMcp:
    """Servers that offer to tell the token with which they are asked."""

    asked: list[str] = field(default_factory=list)

    async def tools(self, server: McpServer, *, time_limit: float) -> list[McpTool]:
        self.asked.append(server.headers.get("Authorization", ""))
        return [offered("told", server.headers.get("Authorization", ""))]

    async def call(
        self,
        server: McpServer,
        tool: str,
        arguments: Mapping[str, JsonValue],
        *,
        time_limit: float,
        most_bytes: int,
        idempotency_key: str,
    ) -> McpResult:
        self.asked.append(server.headers.get("Authorization", ""))
        return McpResult(text="Not yours", structured=None, is_error=False)


Attempt = Callable[[Database, Vault, Furnished, Furnished], Awaitable[None]]


async def _erase(database: Database, vault: Vault, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        erasure = (await theirs.scalars(select(ContactErasure))).one()
    activity = Erasing(database, vault, KeptWindows()).erase_contact
    await ActivityEnvironment().run(activity, Asked(a.tenant_id, erasure.id))


async def _checked(b: Furnished) -> AuditCheck:
    async with b.session() as theirs:
        return (await theirs.scalars(select(AuditCheck))).one()


def _checking(database: Database) -> Checking:
    return Checking(database, Signatures((ENCRYPTION_KEY,)), Path("nowhere"))


async def _check(database: Database, vault: Vault, a: Furnished, b: Furnished) -> None:
    asked = Asked(a.tenant_id, (await _checked(b)).id)
    await ActivityEnvironment().run(_checking(database).check_trail, asked)


async def _give_up(database: Database, vault: Vault, a: Furnished, b: Furnished) -> None:
    asked = Asked(a.tenant_id, (await _checked(b)).id)
    await ActivityEnvironment().run(_checking(database).give_up_check, asked)


async def _locate(database: Database, vault: Vault, a: Furnished, b: Furnished) -> None:
    question_id = new_id()
    async with b.session() as theirs:
        sealed = await vault.seal(theirs, b.tenant_id, "question", question_id, {"words": SecretStr("Canary")})
    asking = Questions(database, vault, Locator(GivenEmbedders({}), NothingCools()))
    await ActivityEnvironment().run(asking.locate_question, QuestionToLocate(a.tenant_id, question_id, sealed))


async def _look(database: Database, vault: Vault, a: Furnished, b: Furnished) -> None:
    mcp = RecordingMcp()
    async with b.session() as theirs:
        tool = (await theirs.scalars(select(Tool).where(Tool.key == SERVER))).one()
    looking = ToolServers(database, vault, mcp)
    await ActivityEnvironment().run(looking.look_at_server, ServerToLookAt(a.tenant_id, tool.id))
    assert not mcp.asked


@dataclass
class OneCustomer:
    """A Stripe where everybody pays, and who it was asked about."""

    asked: list[str] = field(default_factory=list)

    async def look(self, customer_id: str) -> CustomerFacts:
        self.asked.append(customer_id)
        # Of a price that is in no plan, so that its plan stays what it is.
        found = SubscriptionFacts("sub_1", "active", *([None] * 11))
        return CustomerFacts(is_deleted=False, subscription=found, others=(), had_trial=False)


async def _sync(database: Database, vault: Vault, a: Furnished, b: Furnished) -> None:
    stripe = OneCustomer()
    for office in (a, b):
        event = Event(f"evt_{new_id().hex}", "invoice.paid", customer_of(office), None, utc_now())
        await events.keep(database, event)
    activity = Billing(database, cast(Payments, stripe)).sync_subscription
    await ActivityEnvironment().run(activity, SubscriptionState(a.tenant_id))
    assert stripe.asked == [customer_of(a)]
    async with b.session() as theirs:
        assert await events.settle(theirs, await events.now(theirs)) >= 1


IN_THE_BACKGROUND: Final[dict[str, tuple[Attempt, type[Exception] | None]]] = {
    "erase_contact": (_erase, NotFound),
    "check_trail": (_check, NotFound),
    "give_up_check": (_give_up, NotFound),
    "locate_question": (_locate, Misconfigured),
    "sync_subscription": (_sync, None),
    # One that is not there any more is nothing to look at.
    "look_at_server": (_look, None),
}


@pytest.mark.parametrize("name", IN_THE_BACKGROUND)
async def test_it_does_nothing_for_another_tenant(
    database: Database, vault: Vault, ours: Furnished, theirs: Furnished, snapshot: Snapshot, name: str
) -> None:
    attempt, expected = IN_THE_BACKGROUND[name]
    before = await snapshot(theirs)
    if expected is None:
        await attempt(database, vault, ours, theirs)
    else:
        with pytest.raises(expected):
            await attempt(database, vault, ours, theirs)
    assert await snapshot(theirs) == before
