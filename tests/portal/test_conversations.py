"""The record of conversations on its pages: found, narrowed down, paged, whole, and taken along."""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from konstruct import contacts
from konstruct.accounts.permissions import Role
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.messages import SentFile
from konstruct.record import listing, timeline
from konstruct.settings import Settings
from konstruct.tables import AuditEvent, Conversation, Message, Rating, Usage
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.portal.channels import sign_in
from tests.portal.conftest import browser
from tests.support.handoffs import hand_off
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.plans import plan
from tests.support.showroom import Showroom, furnish

_ROW = re.compile(r'<a class="list-row conversation-row" href="[^"]*/conversations/([0-9a-f-]{36})"')
_EVENT = re.compile(r'<li class="event" id="event-([0-9a-f-]{36})" data-kind="(\w+)" data-action="([\w.]+)"')


@pytest.fixture(scope="module")
async def room(database: Database, vault: Vault) -> Showroom:
    return await furnish(database, vault)


async def member(office: Office, role: Role = "owner") -> Enrolled:
    return await enrolled(office.database, office.vault, role, office.tenant_id)


async def looked_at(portal: httpx.AsyncClient, who: Enrolled, path: str = "", **query: Any) -> str:
    sign_in(portal, who)
    answer = await portal.get(
        f"/t/{who.slug}/conversations{path}", params={key: str(value) for key, value in query.items()}
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def rows(page: str) -> list[str]:
    return _ROW.findall(page)


def actions(page: str) -> list[str]:
    return [action for _, _, action in _EVENT.findall(page)]


async def test_all_conversations_are_listed_with_the_latest_first(portal: httpx.AsyncClient, office: Office) -> None:
    first = await office.exchange("Where is my order?", "On its way.", root="1.0")
    second = await office.say("Hello & <b>hi</b>", root="2.0", contact="U2")
    page = await looked_at(portal, await member(office, "viewer"))
    assert rows(page) == [str(second.conversation_id), str(first.conversation_id)]
    assert "Hello &amp; &lt;b&gt;hi&lt;/b&gt;" in page
    assert "On its way." in page


async def test_an_empty_business_is_led_to_its_channels(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    owner = await enrolled(database, vault)
    page = await looked_at(portal, owner)
    assert "Nobody has written yet" in page
    assert f'href="/t/{owner.slug}/channels"' in page


async def test_the_list_is_narrowed_down_by_its_address(portal: httpx.AsyncClient, office: Office) -> None:
    plain, handed, failed, rated = [await office.exchange("Hi", root=f"{n}.0", contact=f"U{n}") for n in range(4)]
    await hand_off(office, handed)
    async with office.session() as session:
        await session.execute(
            update(Message)
            .where(col(Message.conversation_id) == failed.conversation_id, col(Message.direction) == "outbound")
            .values(state="failed")
        )
        conversation = await session.get_one(Conversation, (office.tenant_id, rated.conversation_id))
        session.add(
            Rating(
                tenant_id=office.tenant_id,
                conversation_id=conversation.id,
                contact_id=conversation.contact_id,
                employee_id=conversation.employee_id,
                score=2,
            )
        )
        plain_row = await session.get_one(Conversation, (office.tenant_id, plain.conversation_id))
        plain_row.last_message_at = utc_now() - timedelta(days=40)
        contact_id = plain_row.contact_id
    owner = await member(office)

    async def found(**query: Any) -> list[str]:
        return rows(await looked_at(portal, owner, **query))

    def of(*wanted: object) -> list[str]:
        return [str(each.conversation_id) for each in wanted]  # type: ignore[attr-defined]

    # Being handed off is told in it, too.
    everything = of(handed, rated, failed, plain)
    assert await found() == everything
    assert await found(owner="queue") == of(handed)
    assert await found(owner="agent") == []
    assert await found(people="on") == of(handed)
    assert await found(failed="on") == of(failed)
    assert await found(rating="bad") == of(rated)
    assert await found(rating="good") == []
    assert await found(contact=contact_id) == of(plain)
    assert await found(channel=office.connection_id) == everything
    assert await found(channel=new_id()) == []
    assert await found(employee="ada") == everything
    day = (utc_now() - timedelta(days=40)).date()
    assert await found(since=day - timedelta(days=1), until=day + timedelta(days=1)) == of(plain)
    assert await found(since=day + timedelta(days=2)) == of(handed, rated, failed)
    assert await found(owner="nonsense", since="nonsense", contact="nonsense") == everything
    assert "No conversation is like that" in await looked_at(portal, owner, owner="agent")


async def test_pages_lead_back_and_forth_without_a_gap(office: Office) -> None:
    made = [(await office.say("Hi", root=f"{n}.0", contact=f"U{n}")).conversation_id for n in range(7)][::-1]
    seen: list[object] = []
    async with office.session() as session:
        page = await listing.page(session, office.vault, listing.Filters(), limit=3)
        assert page.newer is None
        while True:
            seen += [row.conversation_id for row in page.rows]
            if page.older is None:
                break
            page = await listing.page(session, office.vault, listing.Filters(), before=page.older, limit=3)
        assert seen == made
        page = await listing.page(session, office.vault, listing.Filters(), after=page.newer, limit=3)
        assert [row.conversation_id for row in page.rows] == made[3:6]
        page = await listing.page(session, office.vault, listing.Filters(), after=page.newer, limit=3)
        assert [row.conversation_id for row in page.rows] == made[:3]
        assert page.newer is None


async def test_the_list_uses_its_index_whatever_it_is_narrowed_down_by(office: Office) -> None:
    await office.say("Hi")
    async with office.session() as session:
        for filters in (listing.Filters(), listing.Filters(owner="queue"), listing.Filters(employee_id=new_id())):
            found = await plan(session, listing.matching(filters).limit(51))
            assert "Index" in found, found
            assert "Sort" not in found, found


async def test_rehearsals_are_not_conversations(portal: httpx.AsyncClient, room: Showroom) -> None:
    page = await looked_at(portal, room.owner)
    assert "three weeks" not in page
    async with room.rich.session() as session:
        rehearsed = (await session.scalars(select(col(Conversation.id)).where(col(Conversation.is_rehearsal)))).all()
    assert rehearsed
    answer = await portal.get(f"/t/{room.owner.slug}/conversations/{rehearsed[0]}")
    assert answer.status_code == 404


async def test_one_conversation_is_shown_with_all_that_happened_in_its_order(
    portal: httpx.AsyncClient, room: Showroom
) -> None:
    page = await looked_at(portal, room.owner, f"/{room.eventful}")
    found = actions(page)
    for action in (
        *("message", "model", "tool", "judged", "rule.fired", "memory.learned", "approval.asked", "approval.approved"),
        *("consult.asked", "consult.answered", "handoff.opened", "handoff.claimed", "handoff.noted"),
        *("handoff.handed_back", "rating.asked", "rating.given"),
    ):
        assert action in found, action
    order = [
        found.index(action) for action in ("approval.asked", "approval.approved", "handoff.claimed", "rating.given")
    ]
    assert order == sorted(order)
    for said in (
        *("My parcel 1042 never came", "Your refund is booked", "The carrier confirmed by phone", "It moves money."),
        *("Lost by the carrier: refund it.", "They closed the search on Friday", "129.00", "lost in transit"),
        *("Chiara Rossi took the conversation over", "Ana Duarte said yes to refund_order", "overloaded", "Untrusted"),
        *("The rule is-angry fired", "mood angry", "Not delivered", "The contact gave 4 of 5", "62% sure"),
    ):
        assert said in page, said


async def test_files_stand_with_their_message(portal: httpx.AsyncClient, office: Office) -> None:
    asked = await office.say("Look", files=(SentFile("bill <1>.pdf", "application/pdf", 1_234, "F1"),))
    page = await looked_at(portal, await member(office), f"/{asked.conversation_id}")
    assert "bill &lt;1&gt;.pdf" in page
    assert "is being fetched" in page


async def test_the_cost_is_that_of_the_ledger(portal: httpx.AsyncClient, room: Showroom) -> None:
    async with room.rich.session() as session:
        total = (
            await session.execute(select(func.sum(col(Usage.cost))).where(col(Usage.conversation_id) == room.eventful))
        ).scalar_one()
    page = await looked_at(portal, room.owner, f"/{room.eventful}")
    [shown] = re.findall(r'data-cost="([\d.]+)"', page)
    assert total
    assert Decimal(shown) == total
    # The answer says what its turn took: all three calls were made in it.
    [turn] = re.findall(r"data-turn=[^>]*>(3 model calls[^<]*)<", page)
    assert "$0.0081" in turn


async def test_kinds_of_events_are_chosen_by_the_address(portal: httpx.AsyncClient, room: Showroom) -> None:
    page = await looked_at(portal, room.owner, f"/{room.eventful}", show="models")
    assert set(actions(page)) == {"model"}
    assert "show=tools" in page
    page = await looked_at(portal, room.owner, f"/{room.eventful}", show="memory")
    assert set(actions(page)) == {"memory.learned"}


async def test_a_long_conversation_comes_in_pages(
    portal: httpx.AsyncClient, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await office.say("Number 0")
    for number in range(1, timeline.PAGE + 20):
        await office.say(f"Number {number}")
    who = await member(office)
    page = await looked_at(portal, who, f"/{asked.conversation_id}")
    assert len(actions(page)) == timeline.PAGE
    assert "Number 0<" not in page
    [earlier] = re.findall(r'hx-get="([^"]+)"', page)
    part = await portal.get(earlier.replace("&amp;", "&"), headers={"hx-request": "true"})
    assert len(actions(part.text)) == 20
    assert "Number 0<" in part.text
    assert "<html" not in part.text
    seen = {event for event, _, _ in _EVENT.findall(page + part.text)}
    assert len(seen) == timeline.PAGE + 20


async def test_every_page_of_a_timeline_together_is_the_whole(room: Showroom) -> None:
    office = room.rich
    async with office.session() as session:
        whole = await timeline.page(session, office.vault, room.eventful, limit=1_000)
        assert whole.earlier is None
        pieces: list[object] = []
        mark = None
        while True:
            page = await timeline.page(session, office.vault, room.eventful, before=mark, limit=4)
            pieces = [event.id for event in page.events] + pieces
            if page.earlier is None:
                break
            mark = page.earlier
        assert sorted(map(str, pieces)) == sorted(str(event.id) for event in whole.events)
        assert len(pieces) == len(set(pieces))


async def test_of_an_erased_contact_is_said_that_it_was(portal: httpx.AsyncClient, office: Office) -> None:
    asked = await office.exchange("My secret is 4711.", "I keep it.")
    async with office.session() as session:
        contact_id = (await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))).contact_id
        await contacts.erase(session, office.tenant_id, contact_id, actor="test")
    who = await member(office)
    page = await looked_at(portal, who, f"/{asked.conversation_id}")
    assert "This was erased with the contact." in page
    assert "Erased contact" in page
    assert "4711" not in page
    assert "Nothing of what was said last is kept." in await looked_at(portal, who)


async def test_another_tenants_conversation_is_not_there(
    portal: httpx.AsyncClient, office: Office, database: Database, vault: Vault
) -> None:
    asked = await office.say("Only ours")
    stranger = await enrolled(database, vault)
    sign_in(portal, stranger)
    for path in ("", "/export"):
        method = "POST" if path else "GET"
        address = f"/t/{stranger.slug}/conversations/{asked.conversation_id}{path}"
        answer = await portal.request(method, address)
        assert answer.status_code == 404


async def test_the_run_in_temporal_is_linked_where_its_pages_are_known(
    settings: Settings, portal: httpx.AsyncClient, office: Office
) -> None:
    asked = await office.say()
    who = await member(office)
    assert "Its run in Temporal" not in await looked_at(portal, who, f"/{asked.conversation_id}")
    known = settings.model_copy(update={"temporal_ui_url": "http://127.0.0.1:8233/", "temporal_namespace": "default"})
    async with browser(known) as visitor:
        page = await looked_at(visitor, who, f"/{asked.conversation_id}")
    run = f"conversation%3A{office.tenant_id}%3A{asked.conversation_id}"
    assert f'href="http://127.0.0.1:8233/namespaces/default/workflows/{run}"' in page


@pytest.mark.parametrize("form", ["json", "text"])
async def test_a_conversation_is_exported_whole_and_the_trail_says_so(
    portal: httpx.AsyncClient, room: Showroom, form: str
) -> None:
    sign_in(portal, room.owner)
    answer = await portal.post(f"/t/{room.owner.slug}/conversations/{room.eventful}/export?format={form}")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="conversation-{room.eventful}')
    for said in ("My parcel 1042 never came", "Your refund is booked", "The carrier confirmed by phone"):
        assert said in answer.text
    if form == "json":
        found = json.loads(answer.text)
        assert found["conversation_id"] == str(room.eventful)
        assert [each["at"] for each in found["events"]] == sorted(each["at"] for each in found["events"])
        assert {each["kind"] for each in found["events"]} == {
            "messages",
            "models",
            "tools",
            "people",
            "rules",
            "memory",
        }
    async with room.rich.session() as session:
        noted = (
            await session.scalars(select(AuditEvent).where(col(AuditEvent.action) == "conversation.exported"))
        ).all()
    assert any(each.detail["format"] == form and each.actor == room.owner.actor for each in noted)


async def test_an_export_of_many_pages_has_every_message_once(portal: httpx.AsyncClient, office: Office) -> None:
    count = 2 * timeline.PAGE + 5
    asked = await office.say("Number 0")
    for number in range(1, count):
        await office.say(f"Number {number}")
    who = await member(office)
    sign_in(portal, who)
    answer = await portal.post(f"/t/{who.slug}/conversations/{asked.conversation_id}/export")
    said: Sequence[str] = [each["message"]["text"] for each in json.loads(answer.text)["events"] if "message" in each]
    assert said == [f"Number {number}" for number in range(count)]


async def test_agents_and_viewers_take_nothing_along(portal: httpx.AsyncClient, office: Office) -> None:
    asked = await office.say()
    roles: Sequence[Role] = ("agent", "viewer")
    for role in roles:
        who = await member(office, role)
        page = await looked_at(portal, who, f"/{asked.conversation_id}")
        assert "/export" not in page
        answer = await portal.post(f"/t/{who.slug}/conversations/{asked.conversation_id}/export")
        assert answer.status_code == 403


async def test_what_was_set_aside_is_shown_and_tried_again(portal: httpx.AsyncClient, office: Office) -> None:
    asked = await office.say("What nobody can handle.")
    await office.set_aside(asked)
    agent, viewer = await member(office, "agent"), await member(office, "viewer")
    page = await looked_at(portal, agent, f"/{asked.conversation_id}")
    assert "Set aside: it was tried too often" in page
    assert "tried 4 times. Whoever worked on it ended without a word, each time." in page
    assert "Try it again?" in page
    assert "Try it again?" not in await looked_at(portal, viewer, f"/{asked.conversation_id}")
    path = f"/t/{agent.slug}/conversations/{asked.conversation_id}/try-again"
    assert (await portal.post(path)).status_code == 403

    sign_in(portal, agent)
    answer = await portal.post(path)

    assert answer.status_code == 303
    message = await office.message(asked.message_id)
    assert (message.state, message.tries) == ("received", 0)
    [event] = await office.events("message.tried_again")
    assert event.actor == f"user:{agent.user_id}"
    assert "Try it again?" not in await looked_at(portal, agent, f"/{asked.conversation_id}")


async def test_what_was_set_aside_is_not_tried_again_while_people_have_the_conversation(
    portal: httpx.AsyncClient, office: Office
) -> None:
    asked = await office.say("What nobody can handle.")
    await office.set_aside(asked)
    await hand_off(office, asked)
    agent = await member(office, "agent")
    assert "Once it is handed back, this can be tried again." in await looked_at(
        portal, agent, f"/{asked.conversation_id}"
    )
    await portal.post(f"/t/{agent.slug}/conversations/{asked.conversation_id}/try-again")
    assert (await office.message(asked.message_id)).state == "quarantined"
