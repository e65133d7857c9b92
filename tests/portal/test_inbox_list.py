"""The inbox's list as a page: views, filters in the address, parts of it alone, and the number beside it."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from konstruct.accounts.permissions import Role
from konstruct.db import Database
from konstruct.handoffs import owning
from konstruct.settings import Settings
from konstruct.tables import Conversation
from konstruct.vault import Vault
from portal.app import build
from portal.watching import Watching
from tests.support.handoffs import GRACE, a_wish, hand_back, hand_off, owned, seat
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, open_office
from tests.support.queues import queue
from tests.support.rehearsals import stage

_ROW = re.compile(r'<li id="row-[^"]+" data-conversation="([^"]+)"')
_BADGE = re.compile(r'data-badge="inbox"( hidden)?><span data-number>([^<]*)<')
PART = {"hx-request": "true", "hx-request-type": "partial"}


class Desk:
    """Somebody's browser in their inbox."""

    def __init__(self, client: httpx.AsyncClient, who: Enrolled) -> None:
        self.client = client
        self.base = f"/t/{who.slug}/inbox"

    async def look(self, at: str = "", *, part: str | None = None, **query: str) -> str:
        asked = query | ({"part": part} if part else {})
        page = await self.client.get(self.base + at, params=asked, headers=PART if part else {})
        assert page.status_code == 200, page.text
        return page.text

    async def rows(self, **query: str) -> list[str]:
        return _ROW.findall(await self.look(**query))


async def at_desk(settings: Settings, office: Office, role: Role) -> AsyncIterator[Desk]:
    who = await enrolled(office.database, office.vault, role, office.tenant_id, name="Ana Duarte")
    guard = build(settings)
    guard.services.watching = Watching(guard.services.database, None)
    guard.services.watching.count_lasts = 0
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost", cookies=who.cookies) as client:
        yield Desk(client, who)
    await guard.services.close()


@pytest.fixture
async def desk(settings: Settings, office: Office) -> AsyncIterator[Desk]:
    async for found in at_desk(settings, office, "agent"):
        yield found


@pytest.fixture
async def viewers(settings: Settings, office: Office) -> AsyncIterator[Desk]:
    async for found in at_desk(settings, office, "viewer"):
        yield found


async def test_what_waits_is_listed_with_all_that_tells_it_apart(desk: Desk, office: Office) -> None:
    await seat(office, groups={"repairs": {"people": ["grace"]}})
    asked = await office.say("My <b>brakes</b> squeak")
    await hand_off(office, asked, a_wish("They sound upset.", target="repairs", priority="urgent"))

    page = await desk.look()

    assert _ROW.findall(page) == [str(asked.conversation_id)]
    for said in ("My &lt;b&gt;brakes&lt;/b&gt; squeak", "They sound upset.", "Urgent", "repairs", "Waits since"):
        assert said in page
    assert "data-unread" in page


async def test_views_and_filters_are_in_the_address(desk: Desk, office: Office) -> None:
    await seat(office)
    said = {name: await office.say(name, root=f"{name}.0") for name in ("waits", "owned", "over", "nobodys")}
    await hand_off(office, said["waits"], a_wish(priority="high"))
    await owned(office, said["owned"])
    await hand_back(office, await owned(office, said["over"]))
    ids = {name: str(each.conversation_id) for name, each in said.items()}

    assert await desk.rows() == [ids["waits"]]
    assert await desk.rows(view="owned") == [ids["owned"]]
    assert await desk.rows(view="closed") == [ids["over"]]
    assert set(await desk.rows(view="all")) == set(ids.values())
    assert await desk.rows(view="nonsense") == [ids["waits"]]
    assert await desk.rows(priority="high", kind="slack", employee="ada", channel=str(office.connection_id))
    for nothing in ({"priority": "low"}, {"employee": "nobody"}, {"channel": "x"}, {"kind": "whatsapp"}, {"to": "x"}):
        page = await desk.look(**nothing)
        assert "Nothing matches" in page
        assert "Clear search and filters" in page
    assert await desk.rows(view="all", q="nobodys") == [ids["nobodys"]]


async def test_a_filter_stays_with_what_leads_on(desk: Desk, office: Office) -> None:
    asked = await office.say("Where is my order?")
    await hand_off(office, asked)
    page = await desk.look(view="all", q="order", kind="slack")

    link = f'href="{desk.base}/{asked.conversation_id}?view=all&amp;kind=slack&amp;q=order"'
    assert link in page
    opened = await desk.look(f"/{asked.conversation_id}", view="all", q="order", kind="slack")
    assert f'href="{desk.base}/{asked.conversation_id}?kind=slack&amp;q=order"' in opened
    assert 'aria-current="true"' in opened
    assert 'name="q" value="order"' in opened


async def test_page_by_page(desk: Desk, office: Office) -> None:
    made = await queue(office, 60, is_waiting=False)
    page = await desk.look(view="all")
    [following] = re.findall(r'rel="next" href="([^"]+)"', page)
    rest = await desk.client.get(following.replace("&amp;", "&"))

    assert _ROW.findall(page) + _ROW.findall(rest.text) == [str(each.conversation_id) for each in reversed(made)]
    assert "There is no such page of this list" in await desk.look(view="all", after="nonsense")


async def test_a_part_alone_is_what_the_page_has_of_it(desk: Desk, office: Office) -> None:
    asked = await office.say("Where is my order?")
    await hand_off(office, asked)
    whole = await desk.look(f"/{asked.conversation_id}")

    listed = await desk.look(f"/{asked.conversation_id}", part="list")
    assert listed.lstrip().startswith('<div class="inbox-list" id="inbox-list"')
    assert _ROW.findall(listed) == [str(asked.conversation_id)]
    assert "<html" not in listed
    assert 'id="inbox-conversation"' not in listed
    panes = await desk.look(f"/{asked.conversation_id}", part="panes")
    assert 'id="inbox-conversation"' in panes
    assert 'id="inbox-packet"' in panes
    assert 'id="inbox-list"' not in panes
    digests = re.findall(r'data-live-digest="([^"]*)"', whole)
    assert re.findall(r'data-live-digest="([^"]*)"', listed + panes) == digests
    assert all(digests)


async def test_where_there_is_nothing_one_thing_is_to_be_done(desk: Desk, viewers: Desk) -> None:
    for view, says in (("needs", "Nobody waits"), ("mine", "You have none"), ("all", "No conversations yet")):
        for each in (desk, viewers):
            page = await each.look(view=view)
            assert says in page
            assert page.count('class="empty"') == 2


async def test_what_is_not_there_has_no_page(desk: Desk, office: Office, database: Database, vault: Vault) -> None:
    other = await open_office(database, vault)
    theirs = await other.say("Secret")
    await stage(office)
    [rehearsal] = [each for each in await office.rows(Conversation) if each.is_rehearsal]
    for conversation_id in (theirs.conversation_id, rehearsal.id):
        answer = await desk.client.get(f"{desk.base}/{conversation_id}")
        assert answer.status_code == 404
        assert "Secret" not in answer.text


async def test_what_one_has_looked_at_is_new_no_more(desk: Desk, office: Office) -> None:
    asked = await office.say("Where is my order?")
    await hand_off(office, asked)
    assert "data-unread" in await desk.look()

    await desk.client.get(
        f"{desk.base}/{asked.conversation_id}", params={"part": "panes"}, headers=PART | {"x-by-itself": "1"}
    )
    assert "data-unread" in await desk.look()
    await desk.look(f"/{asked.conversation_id}")
    assert "data-unread" not in await desk.look()
    await office.say("Is anybody there?")
    assert "data-unread" in await desk.look()
    answer = await desk.client.post(
        f"{desk.base}/{asked.conversation_id}/presence",
        data={"state": "viewing"},
        headers={"sec-fetch-site": "same-origin"},
    )
    assert answer.status_code == 204
    assert "data-unread" not in await desk.look()


async def test_how_many_wait_stands_beside_the_inbox_on_every_page(desk: Desk, office: Office) -> None:
    async def beside() -> tuple[str, str]:
        page = await desk.client.get(desk.base.replace("/inbox", "/home"))
        hidden, number = _BADGE.findall(page.text)[0]
        return str(hidden), str(number)

    assert await beside() == (" hidden", "0")
    handoff_id = await hand_off(office, await office.say())
    await hand_off(office, await office.say(root="2.0"))
    assert await beside() == ("", "2")
    async with office.session() as session:
        await owning.claim(session, office.vault, handoff_id, GRACE)
    assert await beside() == ("", "1")


async def test_home_leads_to_who_waits(desk: Desk, office: Office) -> None:
    await hand_off(office, await office.say())
    page = await desk.client.get(desk.base.replace("/inbox", "/home"))
    assert f'href="{desk.base}"' in page.text
    assert "Open the inbox" in page.text


async def test_the_palette_finds_conversations_by_whose_they_are(desk: Desk, office: Office) -> None:
    asked = await office.say("Where is my order?", contact="U77")
    for words in ("U77", str(asked.conversation_id)):
        found = await desk.client.get(desk.base.replace("/inbox", "/search"), params={"q": words})
        assert f"{desk.base}/{asked.conversation_id}?view=all" in found.text
    found = await desk.client.get(desk.base.replace("/inbox", "/search"), params={"q": "order"})
    assert str(asked.conversation_id) not in found.text
