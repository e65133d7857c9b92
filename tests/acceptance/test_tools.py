"""What people see in Slack when their employee uses tools: answers from what the tools said, and nothing done twice."""

from typing import Any, cast

import pytest

from tests.acceptance.processes import kill
from tests.acceptance.town import Office, Town
from tests.support.model_doubles import Behaviour, Provider, tool_results

pytestmark = pytest.mark.stack


def shop_tools(town: Town) -> dict[str, Any]:
    """The tenant's own tools: one that reads an order, one that pays money back."""
    common = {"kind": "http", "auth": {"kind": "bearer"}, "secret": "${SHOP_KEY}"}
    return {
        "order-status": {
            **common,
            "description": "Says where an order is.",
            "url": f"{town.shop.url}/orders/{{order}}",
            "parameters": {
                "type": "object",
                "properties": {"order": {"type": "string", "pattern": "^[A-Z]-[0-9]+$"}},
                "required": ["order"],
            },
            "result": "order",
        },
        "refund": {
            **common,
            "description": "Pays money back.",
            "method": "POST",
            "url": f"{town.shop.url}/refunds",
            "parameters": {
                "type": "object",
                "properties": {"order": {"type": "string"}, "amount": {"type": "number", "exclusiveMinimum": 0}},
                "required": ["order", "amount"],
            },
            "body": {"order": "{order}", "amount": "{amount}"},
            "sends_idempotency_key": True,
        },
    }


def says_results(messages: list[Any]) -> str:
    return "I found: " + " | ".join(tool_results(messages))


async def new_shop(town: Town, *tools: Any, **more: Any) -> Office:
    return await town.new_office(tools=tools, sections={"tools": shop_tools(town), **more})


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-6", "openai/gpt-5.4", "ollama/llama3.2"])
async def test_an_employee_looks_things_up_at_once_and_answers_from_that(town: Town, model: str) -> None:
    office = await town.new_office(
        models=[model], tools=["current_time", "order-status"], sections={"tools": shop_tools(town)}
    )
    talk = office.talk()
    town.models.turns(
        cast(Provider, model.partition("/")[0]),
        "Where is A-17?",
        Behaviour(calls=[("order-status", {"order": "A-17"}), ("current_time", {})]),
        Behaviour(says_results),
    )

    await talk.mention("Where is A-17?")

    [answer] = await talk.heard()
    assert answer.startswith("I found: ")
    assert "Hermes" in answer
    assert "(UTC, UTC+0000)" in answer
    calls = await office.rows("tool_calls")
    assert [(call["tool"], call["state"]) for call in calls] == [("order-status", "done"), ("current_time", "done")]
    await talk.heard_nothing_more_than(1)


async def test_a_worker_that_is_killed_during_a_call_has_it_act_once(town: Town) -> None:
    office = await new_shop(town, {"name": "refund", "approval": "never"})
    talk = office.talk()
    before = len(town.shop.refunds)
    released = town.shop.hold_next_refund()
    town.models.turns(
        "anthropic",
        "Refund A-17",
        Behaviour(calls=[("refund", {"order": "A-17", "amount": 20})]),
        Behaviour(says_results),
    )
    await talk.mention("Refund A-17")
    await town.shop.wait_for_refunds(before + len(town.shop.repeated) + 1)

    await kill(town.up.child("konstruct", "worker"))
    released.set()

    [answer] = await talk.heard()
    assert '"refunded": 20' in answer
    assert len(town.shop.refunds) == before + 1
    assert len(town.shop.repeated) == 1
    await talk.heard_nothing_more_than(1)
