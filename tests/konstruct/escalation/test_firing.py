"""Which rule fires, and what is said of why."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from konstruct.escalation.facts import Facts
from konstruct.escalation.firing import Looked, explain, firing, judges_answer, needs_judge
from konstruct.escalation.rules import Rule


def rule(when: Any, then: Any = None, name: str = "stuck") -> Rule:
    then = then or {"hand_off": {"to": "support"}}
    return Rule.model_validate({"name": name, "when": when, "then": then})


NOTHING = Facts(texts=("Hello",))


@pytest.mark.parametrize(
    ("when", "facts", "why"),
    [
        ({"asked_for_human": True}, {"asked_for_human": True}, "The contact asked for a person."),
        ({"keyword": ["refund", "cancel"]}, {"texts": ("CANCEL it!",)}, 'The contact wrote "cancel".'),
        (
            {"pattern": r"order \d+"},
            {"texts": ("Hi", "my Order 12")},
            r'What the contact wrote fits the pattern "order \d+".',
        ),
        ({"failed_attempts": 2}, {"failed_attempts": 2}, "2 attempts failed (at least 2)."),
        ({"failed_attempts": 1}, {"failed_attempts": 1}, "1 attempt failed (at least 1)."),
        ({"turns": 10}, {"turns": 12}, "The conversation took 12 turns (at least 10)."),
        ({"mood": "angry"}, {"mood": "angry"}, "The contact's mood is angry."),
        ({"mood": "negative"}, {"mood": "angry"}, "The contact's mood is angry."),
        ({"mood": "negative"}, {"mood": "negative"}, "The contact's mood is negative."),
        ({"confidence_below": 0.5}, {"confidence": 0.25}, "The answer is sure by 0.25 (below 0.5)."),
        ({"tool_failed": True}, {"failed_tools": frozenset({"a"})}, "1 tool failed."),
        ({"tool_failed": ["a", "b"]}, {"failed_tools": frozenset({"b", "c"})}, 'The tool "b" failed.'),
        ({"cost_above": "1.50"}, {"cost": Decimal("1.501")}, "The conversation cost $1.501 (above $1.50)."),
        ({"outside_policy": True}, {"outside_policy": True}, "The answer goes beyond what the employee was told."),
        ({"topic": ["law", "press"]}, {"topics": frozenset({"press"})}, 'It is about "press".'),
    ],
)
def test_each_condition_fires_with_its_reason_and_only_then(when: Any, facts: dict[str, Any], why: str) -> None:
    fired = firing([rule(when)], replace(NOTHING, **facts))
    assert fired is not None
    assert fired.why == (why,)
    assert firing([rule(when)], NOTHING) is None
    [explained] = explain([rule(when)], NOTHING)
    [looked] = explained.looked
    assert not looked.holds
    assert looked.sentence.endswith(".")


@pytest.mark.parametrize(
    ("when", "facts"),
    [
        ({"failed_attempts": 2}, {"failed_attempts": 1}),
        ({"turns": 10}, {"turns": 9}),
        ({"mood": "angry"}, {"mood": "negative"}),
        ({"mood": "negative"}, {"mood": "good"}),
        ({"confidence_below": 0.5}, {"confidence": 0.5}),
        ({"confidence_below": 0.5}, {"confidence": None}),
        ({"tool_failed": "a"}, {"failed_tools": frozenset({"b"})}),
        ({"cost_above": "1.50"}, {"cost": Decimal("1.50")}),
        ({"topic": "law"}, {"topics": frozenset({"press"})}),
    ],
)
def test_just_short_of_it_nothing_fires(when: Any, facts: dict[str, Any]) -> None:
    assert firing([rule(when)], replace(NOTHING, **facts)) is None


@pytest.mark.parametrize(
    ("keyword", "text", "holds"),
    [
        ("refund", "I want a REFUND.", True),
        ("refund", "refunds", False),
        ("refund", "prerefund", False),
        ("refund", "refund_policy", False),
        ("refund", "(refund)", True),
        ("refund", "ｒｅｆｕｎｄ", True),
        ("refund", "re\u00adfund", True),
        ("my lawyer", "My\n  lawyer says", True),
        ("Straße", "in der STRASSE", True),
        ("schon", "schön", False),
        ("résumé", "re\u0301sume\u0301", True),
        ("c++", "I know C++ well", True),
        ("c++", "c+", False),
        ("🤬", "so🤬🤬", True),
        ("退款", "我要退款吗", True),
        ("返金", "返金してください", True),
        ("환불", "환불을 원해요", True),
        ("คืนเงิน", "ขอคืนเงินค่ะ", True),
        ("refund", "refundしたい", True),
        ("возврат", "Возврат!", True),
        ("возврат", "возврата", False),
        ("استرداد", "أريد استرداد المال", True),
        ("रिफंड", "मुझे रिफंड चाहिए", True),
        ("रिफ", "मुझे रिफंड चाहिए", False),
        ("i'm done", "I\u2019m done", False),
    ],
)
def test_keywords_are_whole_words_of_any_script(keyword: str, text: str, holds: bool) -> None:
    assert (firing([rule({"keyword": keyword})], Facts(texts=("Hi", text))) is not None) == holds


def test_reasons_quote_the_operator_and_never_the_contact() -> None:
    facts = Facts(texts=("my secret is canary, refund me",), topics=frozenset({"refund", "canary"}))
    whole = rule({"all": [{"keyword": "refund"}, {"pattern": "c.n.ry"}, {"topic": "refund"}]})
    fired = firing([whole], facts)
    assert fired is not None
    assert "canary" not in str(fired)
    assert "canary" not in str(explain([whole, rule({"keyword": "x"})], facts))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", r"^(\w+\s?)*$"])
def test_a_pattern_that_would_run_for_ever_is_given_up_and_told(pattern: str) -> None:
    slow, quick = rule({"pattern": pattern}), rule({"turns": 1}, name="quick")
    facts = Facts(texts=("a" * 20_000 + "!",), turns=1)
    fired = firing([slow, quick], facts)
    assert fired is not None
    assert fired.rule == "quick"
    [looked] = explain([slow], facts)[0].looked
    assert looked == Looked(
        "pattern", False, f'It takes too long to look for the pattern "{pattern}"; make it simpler.'
    )


def test_many_slow_patterns_are_given_up_together() -> None:
    """Each alone may take a tenth of a second; fifty rules of fifty such would take minutes."""
    slow = rule({"any": [{"pattern": "(a+)+$"}] * 50})
    assert firing([slow] * 50, Facts(texts=("a" * 20_000 + "!",))) is None


def test_the_first_rule_that_fires_is_the_one() -> None:
    rules = [
        rule({"turns": 20}, name="late"),
        rule({"mood": "angry"}, {"tell": {"to": "boss"}}, name="angry"),
        rule({"turns": 3}, name="long"),
    ]
    fired = firing(rules, Facts(turns=5, mood="angry"))
    assert fired is not None
    assert fired.rule == "angry"
    assert fired.action == rules[1].then
    assert firing([], Facts()) is None


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (
            Facts(mood="angry", turns=10),
            ("The contact's mood is angry.", "The conversation took 10 turns (at least 10)."),
        ),
        (
            Facts(mood="angry", turns=10, failed_attempts=3),
            (
                "The contact's mood is angry.",
                "3 attempts failed (at least 2).",
                "The conversation took 10 turns (at least 10).",
            ),
        ),
        (Facts(mood="angry"), None),
        (Facts(turns=10, failed_attempts=3), None),
    ],
)
def test_all_and_any_hold_as_they_say(facts: Facts, why: tuple[str, ...] | None) -> None:
    whole = rule({"all": [{"mood": "angry"}, {"any": [{"failed_attempts": 2}, {"turns": 10}]}]})
    fired = firing([whole], facts)
    assert (fired.why if fired else None) == why


def test_a_reason_of_what_did_not_hold_together_is_not_given() -> None:
    whole = rule({"any": [{"all": [{"turns": 1}, {"mood": "angry"}]}, {"asked_for_human": True}]})
    fired = firing([whole], Facts(turns=1, asked_for_human=True))
    assert fired is not None
    assert fired.why == ("The contact asked for a person.",)


def test_a_dry_run_explains_every_rule_and_every_condition() -> None:
    rules = [
        rule({"any": [{"turns": 3}, {"mood": "angry"}]}, name="one"),
        rule({"all": [{"turns": 3}, {"mood": "angry"}]}, name="two"),
        rule({"turns": 1}, name="three"),
    ]
    explained = explain(rules, Facts(turns=3))
    assert [(each.rule, each.fires) for each in explained] == [("one", True), ("two", False), ("three", True)]
    assert explained[1].action == rules[1].then
    assert explained[1].looked == (
        Looked("turns", True, "The conversation took 3 turns (at least 3)."),
        Looked("mood", False, "The contact's mood is neutral, not angry."),
    )


@pytest.mark.parametrize(
    ("when", "needs", "of_answer"),
    [
        ({"turns": 1}, False, False),
        ({"all": [{"turns": 1}, {"keyword": "a"}, {"pattern": "a"}, {"tool_failed": True}]}, False, False),
        ({"cost_above": "1"}, False, False),
        ({"any": [{"turns": 1}, {"mood": "angry"}]}, True, False),
        ({"asked_for_human": True}, True, False),
        ({"failed_attempts": 2}, True, False),
        ({"topic": "law"}, True, False),
        ({"all": [{"any": [{"confidence_below": 0.5}]}]}, True, True),
        ({"outside_policy": True}, True, True),
    ],
)
def test_a_judge_is_asked_only_if_a_rule_needs_one(when: Any, needs: bool, of_answer: bool) -> None:
    assert needs_judge([rule({"turns": 9}), rule(when)]) == needs
    assert judges_answer([rule({"turns": 9}), rule(when)]) == of_answer
