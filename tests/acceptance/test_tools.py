"""What people see in Slack when their employee uses tools: answers from what the tools said, and nothing done twice."""

import re
import secrets

import pytest

from activities.thinking import CANNOT_GO_ON
from tests.acceptance.shops import CAPPED, READER, THRIFTY, Shop, looks_up, says_results, sections
from tests.acceptance.town import Town, prompt
from tests.support.model_doubles import Behaviour, Json, Provider, tool_results
from tests.support.processes import kill

pytestmark = pytest.mark.stack

NO_MORE = "You can call no more tools now"


@pytest.mark.parametrize(
    ("provider", "model"), [("anthropic", "claude-sonnet-4-6"), ("openai", "gpt-5.4"), ("ollama", "llama3.2")]
)
async def test_an_employee_looks_things_up_at_once_and_answers_from_that(
    town: Town, provider: Provider, model: str
) -> None:
    tools = {"order-status": sections(town)["tools"]["order-status"]}
    office = await town.new_office(
        models=[f"{provider}/{model}"], tools=["current_time", "order-status"], sections={"tools": tools}
    )
    talk = office.talk()
    town.models.turns(
        provider,
        "Where is A-17?",
        Behaviour(calls=[("order-status", {"order": "A-17"}), ("current_time", {})]),
        Behaviour(says_results),
    )

    await talk.mention("Where is A-17?")

    [answer] = await talk.heard()
    assert answer.startswith("I found: ")
    assert "Hermes" in answer
    assert "(UTC, UTC+0000)" in answer
    calls = await Shop(office).calls(talk)
    assert [(call["tool"], call["state"]) for call in calls] == [("order-status", "done"), ("current_time", "done")]
    await talk.heard_nothing_more_than(1)


async def test_a_wrong_call_comes_back_with_what_is_wrong_and_is_mended(shop: Shop) -> None:
    talk, order = shop.office.talk(), shop.order()

    answer = await shop.asks(
        *(talk, f"Where is {order}?"),
        Behaviour(lambda _: "One moment.", calls=[("order-status", f'{{"order": "{order}')]),
        Behaviour(calls=[("order-status", {"order": 17})]),
        Behaviour(calls=[("order-status", {"order": order})]),
        Behaviour(says_results),
    )

    assert "Hermes" in answer
    shown = [tool_results(call.messages) for call in shop.model_calls(f"Where is {order}?")]
    assert [len(results) for results in shown] == [0, 1, 2, 3]
    assert "The arguments are not JSON: Unterminated string" in shown[1][0]
    assert shown[2][1] == "The arguments do not fit: at $.order: 17 is not of type 'string'."
    # What it said beside its call is its own to remember, and no answer.
    assert "One moment." in str(shop.model_calls(f"Where is {order}?")[1].messages)
    assert [call["state"] for call in await shop.calls(talk)] == ["invalid", "invalid", "done"]
    assert shop.town.shop.requests.count(("GET", f"/orders/{order}")) == 1
    await talk.heard_nothing_more_than(1)


async def test_after_three_wrong_calls_the_model_has_to_answer_without_tools(shop: Shop) -> None:
    talk, order = shop.office.talk(), shop.order()
    wrong = Behaviour(
        lambda _: "I cannot do that.",
        calls=lambda messages: [("teleport", {"order": order, "attempt": len(messages)})],
    )

    assert await shop.asks(talk, f"Teleport {order}", wrong) == "I cannot do that."

    *earlier, last = shop.model_calls(f"Teleport {order}")
    assert len(earlier) == 3
    assert tool_results(last.messages)[0].startswith("There is no such tool. There are: catalogue, credit, ")
    assert last.body["tool_choice"] == {"type": "none"}
    assert NO_MORE in prompt(last)
    assert all(NO_MORE not in prompt(call) for call in earlier)
    await talk.heard_nothing_more_than(1)


async def test_the_same_call_is_made_twice_and_then_the_person_is_told(shop: Shop) -> None:
    talk, order = shop.office.talk(), shop.order()
    again = Behaviour(lambda _: "I got no further.", calls=[("order-status", {"order": order})])

    assert await shop.asks(talk, f"Watch {order}", again) == "I got no further."

    assert shop.town.shop.requests.count(("GET", f"/orders/{order}")) == 2
    assert NO_MORE in prompt(shop.model_calls(f"Watch {order}")[-1])
    await talk.heard_nothing_more_than(1)


async def test_a_model_that_calls_although_it_may_not_ends_in_one_honest_sentence(shop: Shop) -> None:
    talk, order = shop.office.talk(), shop.order()
    again = Behaviour(calls=[("order-status", {"order": order})], insists=True)

    assert await shop.asks(talk, f"Stare at {order}", again) == CANNOT_GO_ON

    assert shop.town.shop.requests.count(("GET", f"/orders/{order}")) == 2
    # It is not mistaken for a model that is down: the next question is answered.
    await talk.heard_nothing_more_than(1)


@pytest.mark.parametrize(("channel", "made"), [(CAPPED, 2), (THRIFTY, 1)])
async def test_at_a_cap_of_steps_or_of_cost_the_person_is_told_what_is_known(
    shop: Shop, channel: str, made: int
) -> None:
    talk, orders = shop.office.talk(channel_id=channel), [shop.order() for _ in range(4)]
    steps = [Behaviour(lambda _: "So far.", calls=[("order-status", {"order": order})]) for order in orders]

    assert await shop.asks(talk, f"Compare {orders[0]} with all others", *steps) == "So far."

    assert [("GET", f"/orders/{order}") in shop.town.shop.requests for order in orders] == [
        number < made for number in range(4)
    ]
    assert NO_MORE in prompt(shop.model_calls(f"Compare {orders[0]}")[-1])


async def test_an_employee_has_its_own_tools_alone(shop: Shop) -> None:
    talk, order = shop.office.talk(channel_id=READER), shop.order()

    answer = await shop.asks(
        *(talk, f"Just pay for {order}"),
        Behaviour(calls=[("goodwill", {"order": order, "amount": 5})]),
        Behaviour(says_results),
    )

    assert answer == "I found: There is no such tool. There are: order-status, read_result."
    assert shop.model_calls(f"Just pay for {order}")[0].tool_names == ["order-status", "read_result"]
    assert shop.town.shop.paid(order) == []


async def test_tools_of_two_tenants_have_nothing_in_common_but_a_name(town: Town, shop: Shop) -> None:
    tools = {"order-status": looks_up(f"{town.shop.url}/elsewhere")}
    other = Shop(await town.new_office(tools=["order-status"], sections={"tools": tools}))
    order = shop.order()
    town.shop.answers[f"/elsewhere/{order}"] = {"carrier": "A dove"}
    looks = Behaviour(calls=[("order-status", {"order": order})]), Behaviour(says_results)

    ours = await shop.asks(shop.office.talk(), f"Find {order}", *looks)
    theirs = await other.asks(other.office.talk(), f"Find {order}", *looks)

    assert "Hermes" in ours
    assert "A dove" not in ours
    assert "A dove" in theirs
    assert "Hermes" not in theirs


async def test_a_large_result_is_an_outline_to_read_on_in_and_lies_nowhere_in_plain(town: Town, shop: Shop) -> None:
    word = f"canary{secrets.token_hex(8)}"
    parts = [{"part": number, "notes": "of steel " * 20} for number in range(500)]
    parts[400]["notes"] = f"of gold, says {word}"
    town.shop.answers["/catalogue"] = parts
    place = str(parts[:400]).count("") - 1

    def reads_on(messages: list[Json]) -> list[tuple[str, Json | str]]:
        [reference] = re.findall(r'"result": "([^"]+)"', tool_results(messages)[-1])
        return [("read_result", {"result": reference, "from": place})]

    talk = shop.office.talk()
    answer = await shop.asks(
        *(talk, "Is there a golden part?"),
        Behaviour(calls=[("catalogue", {})]),
        Behaviour(calls=reads_on),
        Behaviour(lambda messages: "There is." if word in tool_results(messages)[1] else tool_results(messages)[1]),
    )

    assert answer == "There is."
    outline = tool_results(shop.model_calls("Is there a golden part?")[1].messages)[0]
    assert "This is an outline" in outline
    assert "… (495 more)" in outline
    assert word not in outline
    await talk.heard_nothing_more_than(1)
    # Until a checkpoint Postgres may hold in memory what it wrote.
    await town.change("checkpoint")
    assert town.files_that_hold(word) == set()


async def test_a_worker_that_is_killed_during_calls_repeats_what_acts_once_and_nothing_else(
    town: Town, shop: Shop
) -> None:
    repeatable, other = shop.order(), shop.order()
    talks = {"goodwill": shop.office.talk(), "voucher": shop.office.talk()}
    released = []
    for (tool, talk), order in zip(talks.items(), (repeatable, other), strict=True):
        released.append(town.shop.hold_next_refund())
        town.models.turns(
            "anthropic",
            f"Give {order} something",
            Behaviour(calls=[(tool, {"order": order, "amount": 20})]),
            Behaviour(says_results),
        )
        await talk.mention(f"Give {order} something.")
        await town.shop.wait_for_refund(order)

    await kill(town.up.child("konstruct", "worker"))
    for each in released:
        each.set()

    [done] = await talks["goodwill"].heard()
    assert '"refunded": 20' in done
    assert town.shop.paid(repeatable) == [20]
    [unknown] = await talks["voucher"].heard()
    assert unknown.startswith("I found: Nobody can tell whether this was done")
    assert town.shop.paid(other) == [20]
    assert [call["state"] for call in await shop.calls(talks["voucher"])] == ["unknown"]
    for talk in talks.values():
        await talk.heard_nothing_more_than(1)
