"""A draft is tried out in the running product, and nobody but the one who tries it out notices anything."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from konstruct.db import Database
from konstruct.designs import drafting
from konstruct.identity import TenantId
from konstruct.vault import Vault
from tests.acceptance.shops import DESK, Shop
from tests.acceptance.town import prompt
from tests.support.members import Enrolled, enrolled
from tests.support.model_doubles import Behaviour, Fault, Json, ModelCall, tool_results
from tests.support.processes import until

pytestmark = pytest.mark.stack

RHYMES = "Speak in rhymes, and in nothing else."
LAWYERS = {"name": "lawyers", "when": {"keyword": ["lawyer"]}, "then": {"hand_off": {}}}


@dataclass
class Operator:
    """Somebody who designs the shop's employee in the portal."""

    shop: Shop
    who: Enrolled
    database: Database
    browser: httpx.AsyncClient

    @property
    def url(self) -> str:
        return f"/t/{self.who.slug}/employees/front/rehearsal"

    async def draft(self, **changes: Any) -> None:
        async with self.database.tenant_session(self.who.tenant_id) as session:
            draft = await drafting.read(session, "front")
            content = {**draft.content, **changes}
            saved = await drafting.save(session, "front", content, revision=draft.revision, actor=self.who.actor)
            assert isinstance(saved, drafting.Draft)

    async def discard(self) -> None:
        async with self.database.tenant_session(self.who.tenant_id) as session:
            draft = await drafting.read(session, "front")
            await drafting.discard(session, "front", revision=draft.revision, actor=self.who.actor)

    async def does(self, act: str, **fields: str) -> str:
        answer = await self.browser.post(f"{self.url}/{act}", data=fields)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def page(self) -> str:
        return unescape((await self.browser.get(self.url)).text)

    async def sees(self, *texts: str) -> str:
        """The panel, as soon as all of this is on it and no answer is to come any more."""
        page = ""

        async def is_there() -> bool:
            nonlocal page
            page = await self.page()
            return "data-waiting" not in page and all(text in page for text in texts)

        await until(is_there, timeout=60)
        return page

    async def tries(self, text: str, *wanted: str) -> str:
        await self.does("say", text=text)
        return await self.sees(*wanted)


@pytest.fixture
async def operator(shop: Shop) -> AsyncIterator[Operator]:
    async with at_the_portal(shop) as operator:
        yield operator
        await operator.discard()


@asynccontextmanager
async def at_the_portal(shop: Shop) -> AsyncIterator[Operator]:
    addresses = shop.town.addresses
    database = Database(SecretStr(addresses["database_url"]))
    vault = Vault(tuple(SecretStr(key) for key in addresses["encryption_keys"].split(",")))
    [tenant] = await shop.town.rows("select to_jsonb(t) from tenants t where slug = $1", shop.office.slug)
    who = await enrolled(database, vault, "admin", TenantId(UUID(tenant["id"])))
    said = {"sec-fetch-site": "same-origin", "hx-request": "true", "hx-request-type": "partial"}
    portal = f"http://127.0.0.1:{shop.town.env['KONSTRUCT_PORTAL_PORT']}"
    async with httpx.AsyncClient(base_url=portal, cookies=who.cookies, headers=said, timeout=30) as browser:
        yield Operator(shop, who, database, browser)
    await database.close()


def asked_with(calls: list[ModelCall], text: str) -> list[str]:
    """The prompts in which this was the last that was said."""
    return [prompt(call) for call in calls if text in prompt(call)]


async def outside(shop: Shop) -> Json:
    """What people and contacts would notice."""
    tables = ("handoffs", "consults", "employee_versions")
    kept = {table: await shop.office.rows(table) for table in tables}
    return kept | {"slack": shop.town.slack.bot_messages(DESK, team=shop.office.workspace.team_id)}


def total(page: str) -> Decimal:
    [foot] = re.findall(r'id="rehearsal-foot".*?data-cost="([^"]+)"', page, re.DOTALL)
    return Decimal(foot)


async def test_contacts_are_answered_by_what_is_published_while_a_draft_is_tried_out(
    operator: Operator, shop: Shop
) -> None:
    await operator.draft(system_prompt=RHYMES)
    before = await outside(shop)
    page = await operator.tries("Is anybody in?", "You said: Is anybody in?")
    talk = shop.office.talk()
    await talk.mention("Are you in, too?")
    await talk.heard()

    [rehearsed] = asked_with(shop.town.models.calls, "Is anybody in?")
    [published] = asked_with(shop.town.models.calls, "Are you in, too?")
    assert (RHYMES in rehearsed, RHYMES in published) == (True, False)
    # The very prompt is shown, and what it cost is what the ledger says, marked as a rehearsal's.
    assert RHYMES in page
    usage = await shop.office.rows("usage")
    marked = [row for row in usage if row["is_rehearsal"]]
    assert total(page) == sum(Decimal(str(row["cost"])) for row in marked) > 0
    assert len(marked) == 1
    assert await outside(shop) == before


async def test_a_handoff_rings_nobody_and_is_shown_with_its_reason(operator: Operator, shop: Shop) -> None:
    await operator.draft(escalation=[LAWYERS])
    before = await outside(shop)
    page = await operator.tries("My lawyer will call.", "Would hand off")
    assert "by the rule <code>lawyers</code>" in page
    assert await outside(shop) == before
    # The employee has it still.
    await operator.tries("Only joking.", "You said: My lawyer will call.\n\nOnly joking.")


async def test_what_has_effects_is_simulated_until_the_operator_wants_it_done_and_says_yes(
    operator: Operator, shop: Shop
) -> None:
    order = shop.order()
    paying = Behaviour(calls=[("refund", {"order": order, "amount": 20})])
    told = Behaviour(lambda messages: f"I was told: {tool_results(messages)[-1]}")
    before = await outside(shop)
    shop.town.models.turns("anthropic", f"Pay for {order}", paying, told)
    page = await operator.tries(f"Pay for {order}.", "I was told: This is a rehearsal")
    assert f"{shop.town.shop.url}/refunds" in page
    assert shop.town.shop.key not in page
    assert "would have waited for a person" in page
    assert shop.town.shop.paid(order) == []

    await operator.does("tools", acts="true")
    shop.town.models.turns("anthropic", f"Really pay for {order}", paying, Behaviour(lambda _: "I asked."))
    page = await operator.tries(f"Really pay for {order}.", "I asked.", "May it use")
    assert shop.town.shop.paid(order) == []
    [(approval, fingerprint)] = set(re.findall(r'approvals/([0-9a-f-]{36})".*?name="fingerprint" value="(\w+)"', page))
    await operator.does(f"approvals/{approval}", decision="yes", fingerprint=fingerprint)
    await operator.sees("It was done.")
    assert shop.town.shop.paid(order) == [20]
    # Nobody at the desk was shown a card, and programs find nothing that waits for them.
    assert await outside(shop) == before
    status, listed = await shop.api(await shop.new_key("approvals:read"), "GET", "/approvals?limit=100")
    assert status == 200
    assert approval not in {each["id"] for each in listed["approvals"]}


async def test_an_answer_that_takes_too_long_is_stopped(operator: Operator, shop: Shop) -> None:
    shop.town.models.turns("anthropic", "Think of everything first.", Behaviour(fault=Fault.HANG_MID_STREAM))
    await operator.does("say", text="Think of everything first.")
    await shop.town.model_call("Think of everything first.")
    await operator.does("stop")
    await operator.sees("Stopped before it was answered.")


async def test_what_is_forgotten_is_gone_and_one_begins_anew(operator: Operator, shop: Shop) -> None:
    await operator.tries("The canary sings.", "You said: The canary sings.")
    page = await operator.does("forget")
    assert "The canary sings." not in page
    gone = {
        row["id"] for row in await shop.office.rows("conversations") if row["is_rehearsal"] and "erased" in row["root"]
    }
    assert gone
    messages = [row for row in await shop.office.rows("messages") if row["conversation_id"] in gone]
    assert {row["sealed"] for row in messages} == {None}
    assert [row for row in await shop.office.rows("rehearsed_steps") if row["conversation_id"] in gone] == []
    await operator.tries("Once more.", "You said: Once more.")
