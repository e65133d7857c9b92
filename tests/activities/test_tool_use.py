"""Making a call: once as far as that can be known, and what is told when it cannot."""

import asyncio

import pytest
from temporalio.activity import ActivityCancellationDetails

from activities.tool_use import DONE_BUT, NOT_HAD, NOT_REACHED, NOT_TAKEN_IN, ToolUse
from konstruct.errors import NotFound, WebUncertain, WebUnreachable
from konstruct.identity import new_id
from konstruct.ports import ToolCall
from konstruct.tools import calls, defining
from konstruct.tools.calls import CANCELLED, UNKNOWN, Outcome
from tests.activities.tools import attempt, begun, call, request_for, use
from tests.support.odd_shop import OddShop
from tests.support.office import Office
from tests.support.workshop import Job, call_row, call_states, define, is_tainted, job, over_http, publish

NEVER = "never"


@pytest.fixture
async def turn(office: Office) -> Job:
    return await job(office)


async def has(turn: Job, key: str, path: str, shop: OddShop, **request: object) -> None:
    """A tool of the employee's that runs unasked: ``look`` reads, all others act."""
    method, risk = ("GET", "reads") if key == "look" else ("POST", "changes")
    auth = {"auth": {"kind": "bearer"}}
    definition = over_http(f"{shop.url}{path}", method, risk, **auth, **request)
    await define(turn.office, key, definition, secret="sk-canary")
    await publish(turn.office, {"name": key, "approval": NEVER})


async def made(tool_use: ToolUse, turn: Job, name: str, number: int = 1) -> tuple[str, str]:
    """One attempt at a new call: how it stands, and what the model hears."""
    [ready] = (await turn.step(name)).calls
    row = await call(tool_use, turn.office, ready.call_id, number=number)
    return row.state, (await turn.told())[0]


async def test_a_call_is_made_with_its_id_as_the_key_and_its_answer_kept(
    turn: Job, shop: OddShop, tool_use: ToolUse
) -> None:
    await has(turn, "pay", "/ok", shop, sends_idempotency_key=True)
    row, told = await use(tool_use, turn, "pay")
    assert (row.state, told) == ("done", '{\n "paid": 20\n}')
    assert shop.taken == [("/ok", str(row.id))]
    assert shop.keys == ["Bearer sk-canary"]
    assert row.is_untrusted
    assert await is_tainted(turn.office, turn.asked)


async def test_a_call_that_was_made_is_not_made_again(turn: Job, shop: OddShop, tool_use: ToolUse) -> None:
    await has(turn, "pay", "/ok", shop)
    row, _ = await use(tool_use, turn, "pay")
    await call(tool_use, turn.office, row.id, number=2)
    assert len(shop.taken) == 1


async def test_there_is_no_such_call(office: Office, tool_use: ToolUse) -> None:
    with pytest.raises(NotFound):
        await attempt().run(tool_use.call_tool, request_for(office, new_id()))


@pytest.mark.parametrize(
    ("path", "state", "told"),
    [
        ("/status/404", "failed", "The service answered 404: So it is."),
        ("/status/429", "failed", "The service answered 429: So it is."),
        ("/status/500", "failed", "The service answered 500: So it is."),
        ("/status/302", "failed", "The service answered 302: So it is."),
        ("/huge", "failed", NOT_TAKEN_IN),
        ("/ok", "done", '{\n "paid": 20\n}'),
    ],
)
async def test_what_only_looks_fails_with_what_was_said(
    turn: Job, shop: OddShop, tool_use: ToolUse, path: str, state: str, told: str
) -> None:
    await has(turn, "look", path, shop)
    assert await made(tool_use, turn, "look") == (state, told)


@pytest.mark.parametrize(
    "path", ["/status/500", "/status/502", "/status/503", "/status/302", "/status/303", "/cut", "/huge"]
)
async def test_of_what_may_have_acted_nobody_can_tell(turn: Job, shop: OddShop, tool_use: ToolUse, path: str) -> None:
    await has(turn, "pay", path, shop)
    assert await made(tool_use, turn, "pay") == ("unknown", UNKNOWN)
    [row] = [await call_row(turn.office, past.call_id) for past in (await turn.past())[0].calls]
    assert row.detail["error"]


@pytest.mark.parametrize(
    "path", ["/status/400", "/status/401", "/status/404", "/status/409", "/status/422", "/status/429"]
)
async def test_what_the_service_refused_was_not_done(turn: Job, shop: OddShop, tool_use: ToolUse, path: str) -> None:
    await has(turn, "pay", path, shop)
    state, told = await made(tool_use, turn, "pay")
    assert (state, told) == ("failed", f"The service answered {path[-3:]}: So it is.")


async def test_what_was_done_is_not_told_as_failed_for_an_answer_that_cannot_be_read(
    turn: Job, shop: OddShop, tool_use: ToolUse
) -> None:
    await has(turn, "pay", "/text", shop, result="paid")
    state, told = await made(tool_use, turn, "pay")
    assert state == "done"
    assert told.startswith(f"{DONE_BUT}The service's answer is no JSON")
    await has(turn, "look", "/text", shop, result="paid")
    state, told = await made(tool_use, turn, "look")
    assert state == "failed"
    assert told.startswith("The service's answer is no JSON")


async def test_an_address_that_may_not_be_asked_is_told_as_out_of_reach(
    office: Office, turn: Job, tool_use: ToolUse
) -> None:
    await define(office, "pay", over_http("https://127.0.0.1:1/", "POST", "changes"))
    await publish(office, {"name": "pay", "approval": NEVER})
    assert await made(tool_use, turn, "pay") == ("failed", NOT_REACHED)
    [past] = (await turn.past())[0].calls
    assert "KONSTRUCT_WEB_ALLOWED" in (await call_row(office, past.call_id)).detail["error"]


@pytest.mark.parametrize("key", ["pay", "look"])
async def test_what_certainly_did_not_get_there_is_tried_again_whatever_it_does(
    office: Office, turn: Job, closed_shop: OddShop, tool_use: ToolUse, key: str
) -> None:
    await has(turn, key, "/ok", closed_shop)
    [ready] = (await turn.step(key)).calls
    for number in (1, 2):
        with pytest.raises(WebUnreachable):
            await call(tool_use, office, ready.call_id, number=number)
        assert await call_states(office) == ["ready"]
    async with closed_shop.running():
        assert (await call(tool_use, office, ready.call_id, number=3)).state == "done"
    assert len(closed_shop.taken) == 1


async def test_after_the_last_attempt_it_is_told_that_nobody_was_there(
    turn: Job, closed_shop: OddShop, tool_use: ToolUse
) -> None:
    await has(turn, "pay", "/ok", closed_shop)
    assert await made(tool_use, turn, "pay", number=3) == ("failed", NOT_REACHED)


async def test_what_takes_a_key_is_repeated_after_a_lost_answer_and_acts_once(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse
) -> None:
    await has(turn, "pay", "/cut", shop, sends_idempotency_key=True)
    shop.cuts_left = 2
    [ready] = (await turn.step("pay")).calls
    for number in (1, 2):
        with pytest.raises(WebUncertain):
            await call(tool_use, office, ready.call_id, number=number)
        assert await call_states(office) == ["running"]
    row = await call(tool_use, office, ready.call_id, number=3)
    assert (row.state, row.attempts) == ("done", 3)
    assert shop.taken == [("/cut", str(ready.call_id))] * 3


@pytest.mark.parametrize(("key", "told"), [("pay", UNKNOWN), ("look", NOT_REACHED)])
async def test_the_last_attempt_says_what_is_known(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse, key: str, told: str
) -> None:
    await has(turn, key, "/cut", shop, **({"sends_idempotency_key": True} if key == "pay" else {}))
    assert await made(tool_use, turn, key, number=3) == ("unknown" if key == "pay" else "failed", told)


async def test_what_takes_no_key_is_not_repeated_after_a_death(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse
) -> None:
    """Its attempt lost its heartbeat and was taken for dead; it lives, and tells at last."""
    await has(turn, "pay", "/hang", shop)
    [ready] = (await turn.step("pay")).calls
    first = await begun(tool_use, office, ready.call_id, shop.is_asked, attempt())
    row = await call(tool_use, office, ready.call_id, number=2)
    assert (row.state, await turn.told()) == ("unknown", [UNKNOWN])
    shop.may_answer.set()
    await first
    assert (await call_states(office), await turn.told()) == (["done"], ['{\n "paid": 20\n}'])
    assert len(shop.taken) == 1


async def test_of_two_that_live_the_first_word_stands(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse
) -> None:
    await has(turn, "pay", "/hang", shop, sends_idempotency_key=True)
    [ready] = (await turn.step("pay")).calls
    first = await begun(tool_use, office, ready.call_id, shop.is_asked, attempt())
    shop.is_asked.clear()
    second = await begun(tool_use, office, ready.call_id, shop.is_asked, attempt(2))
    shop.may_answer.set()
    await asyncio.gather(first, second)
    assert await call_states(office) == ["done"]
    assert {key for _, key in shop.taken} == {str(ready.call_id)}
    assert len(await office.events("tool.called")) == 1


@pytest.mark.parametrize(("key", "state", "told"), [("pay", "unknown", UNKNOWN), ("look", "cancelled", CANCELLED)])
async def test_a_stop_is_kept_on_record(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse, key: str, state: str, told: str
) -> None:
    await has(turn, key, "/hang", shop)
    [ready] = (await turn.step(key)).calls
    environment = attempt()
    task = await begun(tool_use, office, ready.call_id, shop.is_asked, environment)
    environment.cancel(ActivityCancellationDetails(cancel_requested=True))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await call_states(office), await turn.told()) == ([state], [told])


@pytest.mark.parametrize("details", [{"worker_shutdown": True}, {"timed_out": True}, {"not_found": True}])
async def test_a_worker_that_ends_leaves_the_call_to_the_next_attempt(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse, details: dict[str, bool]
) -> None:
    await has(turn, "look", "/hang", shop)
    [ready] = (await turn.step("look")).calls
    environment = attempt()
    task = await begun(tool_use, office, ready.call_id, shop.is_asked, environment)
    environment.cancel(ActivityCancellationDetails(**details))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await call_states(office) == ["running"]
    shop.may_answer.set()
    assert (await call(tool_use, office, ready.call_id, number=2)).state == "done"


async def test_a_tool_that_was_changed_since_is_not_used(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse
) -> None:
    await has(turn, "pay", "/ok", shop)
    kept = await turn.step(*(ToolCall(f"call_{number}", "pay", f'{{"part": {number}}}') for number in (1, 2)))
    await has(turn, "pay", "/ok", shop, query={"more": "1"})
    assert (await call(tool_use, office, kept.calls[0].call_id)).state == "failed"
    async with office.session() as session:
        await defining.remove(session, "pay", "test")
    assert (await call(tool_use, office, kept.calls[1].call_id)).state == "failed"
    assert await turn.told() == [NOT_HAD, NOT_HAD]
    assert shop.taken == []


async def test_a_tool_that_was_taken_from_the_employee_is_not_used(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse
) -> None:
    await has(turn, "pay", "/ok", shop)
    [ready] = (await turn.step("pay")).calls
    await publish(office, "current_time")
    await call(tool_use, office, ready.call_id)
    assert (await turn.told(), shop.taken) == ([NOT_HAD], [])


async def test_a_new_secret_is_the_same_tools(office: Office, turn: Job, shop: OddShop, tool_use: ToolUse) -> None:
    await has(turn, "pay", "/ok", shop)
    [ready] = (await turn.step("pay")).calls
    definition = over_http(f"{shop.url}/ok", "POST", "changes", auth={"kind": "bearer"})
    await define(office, "pay", definition, secret="sk-second")
    assert (await call(tool_use, office, ready.call_id)).state == "done"
    assert shop.keys == ["Bearer sk-second"]


async def test_a_call_that_waits_for_a_person_is_not_made(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse
) -> None:
    await define(office, "pay", over_http(f"{shop.url}/ok", "POST", "changes"))
    await publish(office, "pay")
    kept = await turn.step("pay")
    assert (kept.calls, len(kept.approvals)) == ([], 1)
    [waiting] = (await turn.past())[0].calls
    await call(tool_use, office, waiting.call_id)
    assert (await call_states(office), shop.taken) == (["waiting"], [])


async def test_a_call_whose_attempts_all_died_is_given_up(
    office: Office, turn: Job, shop: OddShop, tool_use: ToolUse
) -> None:
    await has(turn, "pay", "/ok", shop)
    wanted = [ToolCall(f"call_{number}", "pay", f'{{"number": {number}}}') for number in range(3)]
    first, second, third = (each.call_id for each in (await turn.step(*wanted)).calls)
    for call_id in (first, second):
        async with office.session() as session:
            await calls.begin(session, office.vault, call_id)
    async with office.session() as session:
        await calls.settle(session, office.vault, second, Outcome("done", "Paid."))
    for call_id in (first, second, third):
        await attempt().run(tool_use.give_up_call, request_for(office, call_id))
    states = {call_id: (await call_row(office, call_id)).state for call_id in (first, second, third)}
    # What nobody had begun, or had put back, was certainly not done.
    assert states == {first: "unknown", second: "done", third: "failed"}


async def test_calling_gives_signs_of_life(office: Office, turn: Job, shop: OddShop, tool_use: ToolUse) -> None:
    await has(turn, "look", "/hang", shop)
    [ready] = (await turn.step("look")).calls
    environment, beat = attempt(), asyncio.Event()
    environment.on_heartbeat = lambda *details: beat.set()
    task = await begun(tool_use, office, ready.call_id, shop.is_asked, environment)
    await beat.wait()
    shop.may_answer.set()
    await task
