"""What a model asks for, judged: whether it is a call at all, may be made, or has been made often enough."""

from uuid import UUID

import pytest

from konstruct.identity import new_id
from konstruct.ports import ToolCall, ToolSpec
from konstruct.tools.calls import PastCall, PastStep, Proposal
from konstruct.tools.policy import Approval, Risk
from konstruct.tools.proposing import ALIKE, MOST_CALLS, REFUSED, is_stuck, propose
from konstruct.tools.registry import Tool

OF_AN_ORDER = {
    "type": "object",
    "properties": {"order": {"type": "string"}},
    "required": ["order"],
    "additionalProperties": False,
}


def tool(name: str, risk: Risk = "reads", approval: Approval = "never") -> Tool:
    return Tool(ToolSpec(name, "Does it.", OF_AN_ORDER), "http", risk, approval, True, True, 15.0, UUID(int=1))


TOOLBOX = {
    each.spec.name: each
    for each in (
        tool("look"),
        tool("refund", "changes", "always"),
        tool("mail", "sends", "after_untrusted"),
        tool("note", "memory"),
    )
}


def call(name: str, arguments: str = '{"order": "A-17"}', id_: str = "call_1") -> ToolCall:
    return ToolCall(id_, name, arguments)


def judged(*calls: ToolCall, past: list[PastStep] | None = None, is_untrusted: bool = False) -> list[Proposal]:
    return propose(calls, TOOLBOX, past or [], is_untrusted=is_untrusted)


def done(*calls: tuple[str, str], state: str = "done") -> list[PastStep]:
    return [
        PastStep(number, "", 1, (PastCall(new_id(), "call_1", name, arguments, "", state, "f", False),))
        for number, (name, arguments) in enumerate(calls)
    ]


def test_a_call_keeps_its_id_and_is_written_in_one_way() -> None:
    [proposal] = judged(call("look", ' { "order" : "A-17" } ', "toolu_9"))
    assert (proposal.model_call_id, proposal.name, proposal.state, proposal.told) == ("toolu_9", "look", "ready", "")
    assert proposal.arguments == '{"order":"A-17"}'
    assert proposal.tool is TOOLBOX["look"]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("look", "ready", "ready"),
        ("refund", "waiting", "waiting"),
        ("mail", "ready", "waiting"),
        ("note", "ready", "refused"),
    ],
)
def test_the_policy_decides(name: str, before: str, after: str) -> None:
    assert [each.state for each in judged(call(name))] == [before]
    [proposal] = judged(call(name), is_untrusted=True)
    assert proposal.state == after
    assert proposal.told == (REFUSED if after == "refused" else "")


def test_a_tool_that_there_is_not_is_told_with_those_that_there_are() -> None:
    [proposal] = judged(call("order_status"))
    assert (proposal.state, proposal.tool) == ("invalid", None)
    assert proposal.told == "There is no such tool. There are: look, mail, note, refund."
    assert propose([call("x")], {}, [], is_untrusted=False)[0].told.endswith("There are: none.")


def test_arguments_that_do_not_fit_go_back_as_they_were_written() -> None:
    [proposal] = judged(call("refund", '{"order": 17}'))
    assert (proposal.state, proposal.arguments) == ("invalid", '{"order": 17}')
    assert proposal.told == "The arguments do not fit: at $.order: 17 is not of type 'string'."


def test_the_same_look_is_taken_twice_and_no_more() -> None:
    proposals = judged(
        *[call("look", '{"order":"A-17"}' + " " * spaces) for spaces in range(4)], call("look", '{"order":"B-1"}')
    )
    assert [each.state for each in proposals] == ["ready", "ready", "invalid", "invalid", "ready"]
    assert f"made {ALIKE} times already" in proposals[2].told


def test_calls_of_earlier_steps_count() -> None:
    past = done(("look", '{"order":"A-17"}'), ("look", '{"order":"A-17"}'), ("look", '{"order":"B-1"}'))
    assert [each.state for each in judged(call("look"), past=past)] == ["invalid"]
    assert [each.state for each in judged(call("look", '{"order":"B-1"}'), past=past)] == ["ready"]
    assert [each.state for each in judged(call("refund"), past=past)] == ["waiting"]


@pytest.mark.parametrize(
    ("risk", "times"),
    [("harmless", 2), ("reads", 2), ("memory", 2), ("changes", 1), ("sends", 1), ("irreversible", 1)],
)
def test_what_does_more_than_look_is_done_once_in_a_turn(risk: Risk, times: int) -> None:
    toolbox = {"it": tool("it", risk, "always" if risk == "irreversible" else "never")}
    at_once = propose([call("it")] * 3, toolbox, [], is_untrusted=False)
    assert [each.state == "invalid" for each in at_once] == [place >= times for place in range(3)]
    past = done(("it", '{"order":"A-17"}'))
    [later] = propose([call("it")], toolbox, past, is_untrusted=False)
    assert (later.state == "invalid") == (times == 1)
    assert later.told.startswith("Not done: this very call") == (times == 1)
    [other] = propose([call("it", '{"order":"B-1"}')], toolbox, past, is_untrusted=False)
    assert other.state != "invalid"


def test_what_was_refused_was_not_done_yet() -> None:
    past = done(("refund", '{"order":"A-17"}'), state="refused")
    assert [each.state for each in judged(call("refund"), past=past)] == ["waiting"]


def test_only_so_many_calls_are_made_at_once() -> None:
    proposals = judged(*[call("refund", f'{{"order":"{number}"}}') for number in range(MOST_CALLS + 2)])
    assert [each.state for each in proposals] == ["waiting"] * MOST_CALLS + ["refused"] * 2
    assert "Call it again if it is still needed" in proposals[-1].told


def test_a_model_that_was_told_to_call_again_may_do_so() -> None:
    wanted = [call("look", f'{{"order":"{number}"}}') for number in range(MOST_CALLS + 3)]
    proposals = judged(*wanted)
    past = [
        PastStep(
            0,
            "",
            1,
            tuple(
                PastCall(new_id(), each.model_call_id, each.name, each.arguments, "", each.state, "f", False)
                for each in proposals
            ),
        )
    ]
    assert not is_stuck(past)
    assert [each.state for each in judged(*wanted[MOST_CALLS:], past=past)] == ["ready"] * 3


def test_a_model_is_stuck_after_three_calls_that_cannot_be_made() -> None:
    wrong = [("look", str(number)) for number in range(3)]
    assert not is_stuck(done(*wrong[:2], state="invalid"))
    assert is_stuck(done(*wrong, state="invalid"))
    assert not is_stuck(done(*wrong, state="failed"))
    assert not is_stuck(done(*wrong, state="refused"))


def test_a_model_is_stuck_when_it_asks_for_the_same_a_third_time() -> None:
    assert not is_stuck(done(*[("look", "{}")] * 2, ("refund", "{}")))
    assert is_stuck(done(*[("look", "{}")] * 3))
    assert not is_stuck([])
