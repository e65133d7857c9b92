"""What needs a person's yes: asked in Slack with all it is about, decided once, done once, told where it came from."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from konstruct.adapters.slack_cards import APPROVE, DENY
from konstruct.embedded.loopback import http_answers
from tests.acceptance.shops import EVE, GRACE, LINUS, Shop, arguments, buttons, written
from tests.acceptance.town import Talk, Town
from tests.support.model_doubles import Behaviour, Fault, Json
from tests.support.processes import kill, paused, until

pytestmark = pytest.mark.stack


async def outcome_of(talk: Talk, count: int = 2) -> str:
    """What the person was told of it, which here is the note that the model was given."""
    *_, told = await talk.heard(count, timeout=90)
    return told


async def test_the_talk_goes_on_until_somebody_approves_and_then_it_is_done_once(shop: Shop) -> None:
    order = shop.order()
    talk, card = await shop.asked(order)
    assert await talk.heard() == ["I asked."]
    assert arguments(card) == {"order": order, "amount": 20}
    assert "Ada asks to use refund" in "".join(written(card))
    await talk.say("Meanwhile, are you open?")
    assert (await talk.heard(2))[1] == "You said: Meanwhile, are you open?"
    assert shop.town.shop.paid(order) == []

    assert (await shop.press(card)).status == 200

    told = await outcome_of(talk, 3)
    assert "A person said yes.\nIt was done." in told
    assert '"refunded": 20' in told
    assert shop.town.shop.paid(order) == [20]
    renewed = await shop.card(order, f"Approved by slack:{GRACE}. It was done.")
    assert (renewed["ts"], buttons(renewed)) == (card["ts"], {})
    await talk.heard_nothing_more_than(3)


async def test_what_is_denied_is_not_done_and_that_is_told(shop: Shop) -> None:
    order = shop.order()
    talk, card = await shop.asked(order)

    await shop.press(card, LINUS, DENY)

    assert "A person said no, so it was not done." in await outcome_of(talk)
    await shop.card(order, f"Denied by slack:{LINUS}; it was not done.")
    assert shop.town.shop.paid(order) == []


@pytest.fixture
async def impatient(town: Town, shop: Shop) -> AsyncIterator[Shop]:
    """Where nobody is waited for longer than six seconds."""
    change = "update tenants set approvals = approvals {} where slug = $1"
    await town.change(change.format("""|| '{"expires_after_seconds": 6}'"""), shop.office.slug)
    yield shop
    await town.change(change.format("- 'expires_after_seconds'"), shop.office.slug)


async def test_what_nobody_decides_in_time_is_not_done_and_that_is_told(impatient: Shop) -> None:
    order = impatient.order()
    talk, card = await impatient.asked(order)

    assert "Nobody decided in time, so it was not done." in await outcome_of(talk)
    await impatient.card(order, "Nobody decided in time; it was not done.")
    await impatient.press(card)
    await impatient.whispered(GRACE, "It has expired")
    assert impatient.town.shop.paid(order) == []


async def test_who_may_not_decide_is_told_so_alone_and_of_two_who_may_the_first_counts(shop: Shop) -> None:
    order = shop.order()
    talk, card = await shop.asked(order)

    await shop.press(card, EVE)
    await shop.whispered(EVE, "You are not among those who may decide this.")
    assert [row["state"] for row in await shop.office.rows("approvals") if row["fingerprint"] in str(card)] == [
        "waiting"
    ]
    await asyncio.gather(shop.press(card, GRACE, APPROVE), shop.press(card, LINUS, DENY))

    told = await outcome_of(talk)
    loser = LINUS if "A person said yes." in told else GRACE
    await shop.whispered(loser, "already.")
    assert shop.town.shop.paid(order) == ([20] if loser == LINUS else [])
    await talk.heard_nothing_more_than(2)


async def test_a_program_decides_over_the_api_on_what_it_looked_at_and_nothing_else(shop: Shop) -> None:
    order = shop.order()
    talk, card = await shop.asked(order)
    key = await shop.new_key("approvals:read", "approvals:decide")
    approval_id, _, fingerprint = buttons(card)[APPROVE].partition(":")
    status, shown = await shop.api(key, "GET", f"/approvals/{approval_id}")
    assert (status, shown["fingerprint"], shown["tool"]) == (200, fingerprint, "refund")
    approve = f"/approvals/{approval_id}/approve"

    assert (await shop.api(key, "POST", approve, {"fingerprint": "f" * 64}))[0] == 409
    assert (await shop.api(key, "POST", approve, {"fingerprint": fingerprint, "note": "By way of thanks."}))[0] == 200

    told = await outcome_of(talk)
    assert "It was done." in told
    assert "The person's note: By way of thanks." in told
    await shop.card(order, "Approved by api:program-")
    assert shop.town.shop.paid(order) == [20]
    assert (await shop.api(key, "POST", approve, {"fingerprint": fingerprint}))[0] == 409


async def test_what_is_stopped_by_the_one_who_wanted_it_cannot_be_approved_any_more(town: Town, shop: Shop) -> None:
    order = shop.order()
    # The model still thinks about what to say of it.
    talk, card = await shop.asked(order, fault=Fault.HANG_BEFORE_FIRST_TOKEN)
    await talk.shows_thinking(True)

    await shop.stop(talk)

    renewed = await shop.card(order, "Denied by the person who asked for it and stopped it; it was not done.")
    assert buttons(renewed) == {}
    # Somebody else's screen may still show the buttons.
    await shop.press({**card, "ts": renewed["ts"]})
    await shop.whispered(GRACE, "It was denied by the person who asked for it and stopped it already.")
    assert town.shop.paid(order) == []
    # What was stopped stands before the next word, and this model would take it up again.
    town.models.when("anthropic", "One last thing.", Behaviour())
    assert await talk.heard_nothing_more_than(0) == []
    [call] = await shop.calls(talk)
    assert call["state"] == "cancelled"
    # Nor was the model told of a no that nobody said.
    said = [row for row in await shop.office.rows("messages") if row["conversation_id"] == call["conversation_id"]]
    assert {row["author"] for row in said} == {"contact", "employee"}


async def test_a_tool_that_an_employee_lost_before_the_yes_is_not_used_and_that_is_told(town: Town, shop: Shop) -> None:
    order = shop.order()
    talk, card = await shop.asked(order)
    employee: Json = shop.office.sections["employees"]["front"]
    chosen = employee["tools"]
    employee["tools"] = [tool for tool in chosen if tool != "refund"]
    try:
        assert (await shop.office.apply()).status == 0
        await shop.press(card)

        assert "this tool is not to be had any more as it was when it was asked for" in await outcome_of(talk)
    finally:
        employee["tools"] = chosen
        assert (await shop.office.apply()).status == 0
    assert town.shop.paid(order) == []


async def test_a_worker_that_is_killed_while_it_does_what_was_approved_does_it_once(town: Town, shop: Shop) -> None:
    order, other = shop.order(), shop.order()
    talk, card = await shop.asked(order)
    # Another one waits for its yes all the while.
    waiting, its_card = await shop.asked(other)
    released, repeated = town.shop.hold_next_refund(), len(town.shop.repeated)
    await shop.press(card)
    await town.shop.wait_for_refund(order)

    await kill(town.up.child("konstruct", "worker"))
    await kill(town.up.child("konstruct", "gateway"))
    released.set()

    assert "It was done." in await outcome_of(talk)
    assert town.shop.paid(order) == [20]
    assert len(town.shop.repeated) == repeated + 1
    await shop.card(order, "It was done.")
    await until(lambda: http_answers(f"{shop.gateway}/health/ready"))
    await shop.press(its_card)
    assert "It was done." in await outcome_of(waiting)
    assert town.shop.paid(other) == [20]
    await talk.heard_nothing_more_than(2)


async def test_a_decision_stands_while_temporal_is_away_and_is_carried_out_later(town: Town, shop: Shop) -> None:
    order = shop.order()
    talk, card = await shop.asked(order)
    temporal = town.up.child("temporal")

    async with paused(temporal):
        # Slack counts an answer after three seconds as none.
        assert (await shop.press(card)).status == 200
        await kill(temporal)
    assert town.shop.paid(order) == []

    assert "It was done." in await outcome_of(talk)
    await shop.card(order, f"Approved by slack:{GRACE}. It was done.")
    assert town.shop.paid(order) == [20]
