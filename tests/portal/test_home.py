"""Home says what needs somebody, to each as much as they can do about it; and leads to the first three steps."""

import html
import re

import httpx
from sqlalchemy import update

from konstruct import attention, connections
from konstruct.accounts.permissions import Role
from konstruct.db import Database
from konstruct.designs import drafting
from konstruct.tables import Connection, KnowledgeSource, ModelKey, Tool
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.portal.channels import sign_in
from tests.support.handoffs import hand_off
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, open_office

_MATTER = re.compile(r'<li class="list-row" data-tone="(\w+)">.*?<strong>(.*?)</strong>.*?</li>', re.DOTALL)


async def member(office: Office, role: Role = "owner") -> Enrolled:
    return await enrolled(office.database, office.vault, role, office.tenant_id)


async def home(portal: httpx.AsyncClient, who: Enrolled) -> str:
    sign_in(portal, who)
    answer = await portal.get(f"/t/{who.slug}/home")
    assert answer.status_code == 200
    return answer.text


def refused_key(office: Office, provider: str) -> ModelKey:
    return ModelKey(
        tenant_id=office.tenant_id,
        provider=provider,
        sealed="…",
        last_four="abcd",
        fingerprint="0" * 12,
        created_by="user:x",
        refused_at=utc_now(),
        refused_why="It is not a key.",
    )


def told(page: str) -> list[tuple[str, str]]:
    return _MATTER.findall(page)


async def test_a_new_tenant_is_led_to_its_first_steps(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    owner = await enrolled(database, vault)
    assert f'href="/t/{owner.slug}/setup"' in await home(portal, owner)
    viewer = await enrolled(database, vault, "viewer", owner.tenant_id)
    assert "/setup" not in await home(portal, viewer)


async def test_whoever_leaves_the_steps_is_not_led_there_any_more(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    owner = await enrolled(database, vault)
    sign_in(portal, owner)
    answer = await portal.post(f"/t/{owner.slug}/setup/close")
    assert answer.headers["location"] == f"/t/{owner.slug}/home"
    page = await home(portal, owner)
    assert "All is well" in page
    assert "/setup" not in page


async def test_nothing_is_told_of_a_tenant_where_all_is_well(portal: httpx.AsyncClient, office: Office) -> None:
    await office.exchange("Hello?", "Hello!")
    page = await home(portal, await member(office))
    assert told(page) == []
    assert "All is well" in page


async def test_what_needs_somebody_is_told_with_the_most_pressing_first(
    portal: httpx.AsyncClient, office: Office
) -> None:
    await hand_off(office, await office.say())
    async with office.session() as session:
        await connections.mark(session, office.connection_id, status="revoked", reason="token_revoked", actor="slack")
        session.add_all(
            [
                refused_key(office, "anthropic"),
                Tool(
                    tenant_id=office.tenant_id,
                    key="crm",
                    kind="mcp",
                    definition={"url": "https://crm.example/mcp"},
                    status="down",
                ),
                KnowledgeSource(tenant_id=office.tenant_id, key="help", kind="page", title="Help", status="failed"),
            ]
        )
        await drafting.create(session, office.tenant_id, {"name": "Otis & <b>Co</b>"}, actor="user:x")
    assert told(await home(portal, await member(office))) == [
        ("danger", "Somebody waits for a person"),
        ("danger", f"{office.account.partition('/')[2]} (Slack): not working"),
        ("danger", "Your key for Anthropic is refused"),
        ("warning", "The tool crm does not work"),
        ("warning", "Help could not be read"),
        ("info", "Otis &amp; &lt;b&gt;Co&lt;/b&gt; was never published"),
    ]


async def test_each_is_offered_what_they_may_do(portal: httpx.AsyncClient, office: Office) -> None:
    async with office.session() as session:
        await connections.mark(session, office.connection_id, status="revoked", reason="token_revoked", actor="slack")
        session.add(refused_key(office, "openai"))
    owners, viewers = await home(portal, await member(office)), await home(portal, await member(office, "viewer"))
    assert "Connect again" in owners
    assert "Replace key" in owners
    assert "Connect again" not in viewers
    assert "Replace key" not in viewers
    assert len(told(viewers)) == 2


async def test_nothing_of_rehearsals_or_of_others_is_told(office: Office, database: Database, vault: Vault) -> None:
    other = await open_office(database, vault)
    await hand_off(other, await other.say())
    async with office.session() as session:
        await session.execute(update(Connection).values(status="disconnected"))
        assert await attention.matters(session) == []


async def test_the_day_so_far_stands_in_numbers(portal: httpx.AsyncClient, office: Office) -> None:
    owner = await member(office)
    assert 'aria-label="Today"' not in await home(portal, owner)

    await office.exchange("Where is my order?", "With you by Thursday.")
    page = await home(portal, owner)
    numbers = re.findall(r'<span class="figure-value">(.*?)</span>', page)
    assert numbers[:2] == ["1", "100.0%"]
    [leads_to] = set(re.findall(r'href="(/t/[^"]+/outcomes\?[^"]+)"', page))
    assert (await portal.get(html.unescape(leads_to))).status_code == 200


async def test_who_only_looks_is_not_told_to_act(portal: httpx.AsyncClient, office: Office) -> None:
    await hand_off(office, await office.say())
    assert "Take it over" in await home(portal, await member(office, "agent"))
    page = await home(portal, await member(office, "viewer"))
    assert "Agents take over in the inbox." in page
    assert "Take it over" not in page
