"""What an operator may write as rules, and what is said of what they may not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from konstruct.escalation import matching, rules
from konstruct.escalation.rules import Condition, Rule, Rules

RULES: TypeAdapter[list[Rule]] = TypeAdapter(Rules)


def rule(when: Any, then: Any = None, name: str = "stuck") -> dict[str, Any]:
    return {"name": name, "when": when, "then": then or {"hand_off": {"to": "support"}}}


def complaints(*given: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        RULES.validate_python(list(given))
    return [error["msg"] for error in caught.value.errors()]


@pytest.mark.parametrize(
    ("when", "kept"),
    [
        ({"asked_for_human": True}, {"asked_for_human": True}),
        ({"keyword": "refund"}, {"keyword": ["refund"]}),
        ({"keyword": ["refund", "退款"]}, {"keyword": ["refund", "退款"]}),
        ({"pattern": r"order \d+"}, {"pattern": r"order \d+"}),
        ({"failed_attempts": 2}, {"failed_attempts": 2}),
        ({"turns": 10}, {"turns": 10}),
        ({"mood": "angry"}, {"mood": "angry"}),
        ({"confidence_below": 0.4}, {"confidence_below": 0.4}),
        ({"confidence_below": 1}, {"confidence_below": 1.0}),
        ({"tool_failed": True}, {"tool_failed": ["*"]}),
        ({"tool_failed": "crm/find"}, {"tool_failed": ["crm/find"]}),
        ({"cost_above": "1.50"}, {"cost_above": "1.50"}),
        ({"outside_policy": True}, {"outside_policy": True}),
        ({"topic": ["refund", "legal advice"]}, {"topic": ["refund", "legal advice"]}),
        ({"turns": 10, "mood": None}, {"turns": 10}),
        (
            {"all": [{"mood": "angry"}, {"any": [{"failed_attempts": 2}, {"turns": 10}]}]},
            {"all": [{"mood": "angry"}, {"any": [{"failed_attempts": 2}, {"turns": 10}]}]},
        ),
    ],
)
def test_a_rule_is_kept_in_a_form_that_is_read_again(when: Any, kept: Any) -> None:
    [found] = RULES.validate_python([rule(when)])
    assert found.content() == {
        "name": "stuck",
        "when": kept,
        "then": {"hand_off": {"to": "support", "priority": "normal"}},
    }
    assert rules.read([found.content()]) == [found]


@pytest.mark.parametrize(
    "then",
    [
        {"hand_off": {"to": "support", "priority": "urgent"}},
        {"ask_approval": {}},
        {"tell": {"to": "support"}},
    ],
)
def test_each_action_is_kept(then: Any) -> None:
    [found] = RULES.validate_python([rule({"turns": 3}, then)])
    assert found.content()["then"] == then
    assert rules.read([found.content()]) == [found]


@pytest.mark.parametrize(
    ("when", "complaint"),
    [
        ({}, "must be exactly one condition; put several under all or any"),
        ({"turns": 3, "mood": "angry"}, "must be exactly one condition; put several under all or any"),
        ({"asked_for_human": False}, "can only be true; leave it out otherwise"),
        ({"outside_policy": False}, "can only be true; leave it out otherwise"),
        ({"keyword": 3}, "must be a text or a list of texts"),
        ({"keyword": "a\nb"}, "must be one line"),
        ({"keyword": "\u200b"}, "must hold something that can be seen"),
        ({"topic": ["a", "b\u2028c"]}, "must be one line"),
        ({"tool_failed": False}, "must be true, a tool's name or a list of them"),
        ({"cost_above": "2 dollars"}, "must be US dollars, such as 1.50"),
        ({"pattern": "("}, "is no regular expression: look at character 2"),
        (
            {"pattern": "(?:a{500}){500}"},
            "repeats too often: the numbers in braces, multiplied, must be at most 10,000",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_refused(when: Any, complaint: str) -> None:
    assert complaints(rule(when)) == [complaint]


@pytest.mark.parametrize(
    "when",
    [
        {"keyword": []},
        {"keyword": ""},
        {"keyword": "a" * 101},
        {"pattern": "a" * 201},
        {"failed_attempts": 0},
        {"turns": "3"},
        {"mood": "good"},
        {"confidence_below": 1.1},
        {"confidence_below": float("nan")},
        {"cost_above": 1.5},
        {"all": []},
        {"any": {"turns": 3}},
        {"not": {"turns": 3}},
        "turns",
    ],
)
def test_values_that_are_none_are_refused(when: Any) -> None:
    assert len(complaints(rule(when))) == 1


@pytest.mark.parametrize(
    "then",
    [
        {"hand_off": {"to": "Support!"}},
        {"hand_off": {"to": "support", "priority": "now"}},
        {"ask_approval": {"to": "support"}},
        {"ask_approval": None},
        {"tell": {"to": "a"}, "ask_approval": {}},
    ],
)
def test_actions_that_are_none_are_refused(then: Any) -> None:
    assert len(complaints(rule({"turns": 3}, then))) == 1


def nested(depth: int) -> dict[str, Any]:
    when: dict[str, Any] = {"turns": 3}
    for level in range(depth):
        when = {("all", "any")[level % 2]: [when]}
    return when


def test_conditions_nest_five_deep_and_no_deeper() -> None:
    assert RULES.validate_python([rule(nested(5))])
    assert complaints(rule(nested(6))) == ["nests all and any more than 5 deep; make several rules of it"]
    assert complaints(rule(nested(3_000)))


def test_a_rule_looks_at_fifty_things_and_no_more() -> None:
    fifty: list[Any] = [{"any": [{"turns": 3}] * 25}, {"any": [{"turns": 3}] * 25}]
    assert RULES.validate_python([rule({"all": fifty})])
    assert complaints(rule({"all": [*fifty, {"turns": 3}]})) == [
        "looks at more than 50 things; make several rules of it"
    ]


def test_an_employee_has_fifty_rules_and_no_more() -> None:
    fifty = [rule({"turns": 3}, name=f"rule-{number}") for number in range(50)]
    assert len(RULES.validate_python(fifty)) == 50
    assert len(complaints(*fifty, rule({"turns": 3}))) == 1


def test_two_rules_of_one_name_are_told_without_quoting_it() -> None:
    given = [rule({"turns": 3}), rule({"turns": 4}, name="other"), rule({"turns": 5})]
    assert complaints(*given) == ["must have another name for each rule: see the rules 1, 3"]


def test_topics_are_named_once_each_and_are_not_too_many() -> None:
    given = [
        rule({"any": [{"topic": ["refund", "law"]}, {"turns": 3}]}),
        rule({"topic": ["law", "press"]}, name="other"),
    ]
    assert rules.topics(RULES.validate_python(given)) == ["refund", "law", "press"]
    many = [rule({"topic": [f"{rest}-{number}" for number in range(26)]}, name=rest) for rest in "ab"]
    assert complaints(*many) == ["names more than 50 topics"]


def test_what_is_no_rule_is_passed_over_in_an_old_version() -> None:
    good = rule({"turns": 3})
    assert [found.name for found in rules.read([{"after": 3}, good, {}])] == ["stuck"]


_LEAVES = st.one_of(
    st.builds(lambda count: {"turns": count}, st.integers(1, 1_000)),
    st.builds(lambda mood: {"mood": mood}, st.sampled_from(["negative", "angry"])),
    st.builds(lambda word: {"keyword": [word]}, st.from_regex(r"[a-zа-яあ-ん]{1,20}", fullmatch=True)),
    st.builds(lambda share: {"confidence_below": share}, st.floats(0.01, 1)),
)


@given(
    st.recursive(_LEAVES, lambda inner: st.builds(lambda many: {"all": many}, st.lists(inner, min_size=1, max_size=3)))
)
def test_conditions_come_back_as_they_were_kept(when: Any) -> None:
    condition = Condition.model_validate(when)
    assert Condition.model_validate(condition.model_dump(mode="json", exclude_none=True)) == condition


@given(st.text(max_size=200))
def test_any_pattern_is_told_to_be_good_or_bad(pattern: str) -> None:
    problem = matching.complaint(pattern)
    assert problem is None or problem.startswith(("is no regular expression", "repeats too often"))
