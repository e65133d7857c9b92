"""An erased contact's calls of tools and approvals: unreadable, closed, and never made."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from konstruct import approvals, contacts
from konstruct.contacts import Erased
from konstruct.errors import NotFound
from konstruct.ports import ToolCall
from konstruct.tables import ContactKey
from konstruct.tools import asking, calls, earlier
from konstruct.tools.calls import ASKED, Outcome
from tests.support.office import Office
from tests.support.workshop import (
    Job,
    approval_row,
    call_row,
    call_states,
    define,
    job,
    over_http,
    publish,
    settle,
    tool_row,
)

SHOP = "https://shop.example.com/orders"
ORDER: dict[str, Any] = {"type": "object", "properties": {"order": {"type": "string"}}}
TABLES = ("steps", "tool_calls", "approvals", "messages", "memories", "contacts", "audit_events")


@pytest.fixture
async def shop(office: Office) -> Office:
    await define(office, "look", over_http(SHOP, parameters=ORDER))
    await define(office, "mail", over_http(SHOP, "POST", "sends", parameters=ORDER))
    await define(office, "pay", over_http(SHOP, "POST", "changes", parameters=ORDER))
    await publish(office, "look", {"name": "mail", "approval": "never"}, "pay")
    return office


def of(tool: str, order: str = "Canary") -> ToolCall:
    return ToolCall(f"call_{tool}", tool, f'{{"order":"{order}"}}')


async def erase(office: Office, contact: str = "U1") -> Erased:
    async with office.session() as session:
        found = await contacts.find(session, contact)
        return await contacts.erase(session, office.tenant_id, found.contact_id, actor="test")


async def ask(turn: Job, order: str = "Canary") -> UUID:
    return (await turn.step(of("pay", order))).approvals[0]


async def decide(office: Office, approval_id: UUID, *, is_yes: bool) -> None:
    row = await approval_row(office, approval_id)
    async with office.session() as session:
        await approvals.decide(
            session, office.vault, approval_id, is_yes=is_yes, fingerprint=row.fingerprint, by="U9", note="Canary"
        )


async def listed(office: Office, limit: int = 50) -> list[UUID]:
    async with office.session() as session:
        found = await approvals.listing(session, office.vault, limit=limit)
        return [each.approval_id for each in found]


async def test_nothing_of_what_was_done_for_them_can_be_read(shop: Office, administrator: Any) -> None:
    turn = await job(shop, "Canary wish")
    look, mail = (await turn.step(of("look"), of("mail"), text="Canary thought")).calls
    sources = [{"number": 1, "title": "Canary", "link": None, "text": "Canary"}]
    await settle(shop, look.call_id, Outcome("done", "Canary " * 3_000, True, sources))
    await settle(shop, mail.call_id, Outcome("failed", "Canary cannot be mailed.", error="The service answered 503."))
    decided = await ask(turn)
    await decide(shop, decided, is_yes=True)
    async with shop.session() as session:
        assert await approvals.report(session, shop.vault, decided) is not None
        assert await earlier.whole_result(session, shop.vault, turn.asked.conversation_id, look.call_id) is not None
    assert await turn.past()

    await erase(shop)
    async with shop.session() as session:
        # All that there is of it is under this key.
        assert list(await session.scalars(select(ContactKey))) == []
        assert await earlier.whole_result(session, shop.vault, turn.asked.conversation_id, look.call_id) is None
        with pytest.raises(NotFound):
            await approvals.read(session, shop.vault, decided)
    assert await turn.past() == []
    assert await listed(shop) == []
    assert {message.body for message in await shop.messages()} == {""}
    for table in TABLES:
        rows = await administrator.fetch(f"select t::text from {table} t where tenant_id = $1", shop.tenant_id)
        assert table == "memories" or rows
        text = "\n".join(row[0] for row in rows).lower()
        # Bytes are shown in hexadecimal.
        assert "canary" not in text, table
        assert b"anary".hex() not in text, table


async def test_what_people_were_to_decide_is_closed_and_never_done(shop: Office) -> None:
    turn = await job(shop)
    waiting, approved, denied = [await ask(turn, order) for order in ("1", "2", "3")]
    await decide(shop, approved, is_yes=True)
    await decide(shop, denied, is_yes=False)
    [mail] = (await turn.step(of("mail"))).calls
    other = await ask(await job(shop, root="2.0", contact="U2"))

    await erase(shop)
    row = await approval_row(shop, waiting)
    assert (row.state, row.decided_by) == ("denied", "erasure")
    assert row.decided_at is not None
    assert [(await approval_row(shop, each)).state for each in (approved, denied, other)] == [
        *("approved", "denied", "waiting"),
    ]
    assert await call_states(shop) == ["cancelled", "cancelled", "denied", "cancelled", "waiting"]
    for approval_id in (waiting, approved, denied):
        call_id = (await approval_row(shop, approval_id)).call_id
        async with shop.session() as session:
            assert await calls.begin(session, shop.vault, call_id) is None
    async with shop.session() as session:
        assert await calls.begin(session, shop.vault, mail.call_id) is None
        # A workflow that looks finds that it is over, and has nothing to tell.
        assert await approvals.settle(session, waiting) == "denied"
        assert await approvals.report(session, shop.vault, waiting) is None
    assert [message.author for message in await shop.messages("inbound")] == ["contact", "contact"]


async def test_an_erased_contacts_approvals_take_no_place_on_a_page(shop: Office) -> None:
    theirs = await job(shop, root="2.0", contact="U2")
    kept = [await ask(theirs, order) for order in ("1", "2")]
    own = await job(shop)
    for order in ("3", "4"):
        await ask(own, order)
    await erase(shop)
    assert await listed(shop, limit=2) == kept[::-1]


async def test_what_is_noted_of_a_failure_repeats_nothing_of_the_call(shop: Office) -> None:
    """What a model is told goes with the key; what operators are told stays."""
    turn = await job(shop)
    [call] = (await turn.step(of("look"))).calls
    await settle(shop, call.call_id, Outcome("failed", "No order is called Canary.", True))
    approval = await approval_row(shop, await ask(turn))
    assert (await call_row(shop, call.call_id)).detail.keys() == {"repeatable", "timeout", "digest"}
    assert "anary" not in repr((approval.reason, approval.cards, (await tool_row(shop, "look")).status_reason))


async def test_nobody_is_asked_twice_for_the_same_before_they_have_decided(shop: Office) -> None:
    first = await job(shop)
    approval_id = await ask(first, "A")
    await shop.finish(first.asked, first.turn_id, "I asked.")
    again = Job(shop, await shop.say("And?"))
    kept = await again.step(of("pay", "A"), of("pay", "B"))
    assert len(kept.approvals) == 1
    assert await again.told() == [ASKED, calls.WAITING]
    assert [call.state for call in (await again.past())[0].calls] == ["refused", "waiting"]
    elsewhere = await job(shop, root="2.0")
    assert len((await elsewhere.step(of("pay", "A"))).approvals) == 1

    await decide(shop, approval_id, is_yes=False)
    await shop.finish(again.asked, again.turn_id, "Not yet.")
    later = Job(shop, await shop.say("Please do ask again."))
    assert len((await later.step(of("pay", "A"))).approvals) == 1


async def test_what_nobody_can_decide_any_more_may_be_asked_for_again(shop: Office) -> None:
    first = await job(shop)
    await first.step(of("pay", "A"), expires_in=timedelta(seconds=-1))
    async with shop.session() as session:
        assert await asking.waiting(session, first.asked.conversation_id) == set()
    await shop.finish(first.asked, first.turn_id, "I asked.")
    again = Job(shop, await shop.say("And?"))
    assert len((await again.step(of("pay", "A"))).approvals) == 1
