"""The designer's form: what it shows of a content is read back as it was, and its buttons move what they say."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import FormData, UploadFile

from konstruct.designs import starts
from konstruct.designs.content import blank
from konstruct.escalation.rules import Rule
from portal.pages.employees import form, rules_form

_WORDS = st.lists(st.text(alphabet="abc ", min_size=1, max_size=6).map(str.strip).filter(bool), min_size=1, max_size=3)
_LEAVES = st.one_of(
    st.just({"asked_for_human": True}),
    st.just({"outside_policy": True}),
    _WORDS.map(lambda words: {"keyword": words}),
    _WORDS.map(lambda words: {"topic": words}),
    st.just({"tool_failed": ["*"]}),
    st.integers(1, 1_000).map(lambda count: {"turns": count}),
    st.integers(1, 1_000).map(lambda count: {"failed_attempts": count}),
    st.sampled_from(["negative", "angry"]).map(lambda mood: {"mood": mood}),
    st.sampled_from([0.25, 0.5, 1.0]).map(lambda most: {"confidence_below": most}),
    st.just({"cost_above": "1.50"}),
    st.just({"pattern": "order [0-9]+"}),
)
_CONDITIONS = st.recursive(
    _LEAVES,
    lambda inner: st.tuples(st.sampled_from(["all", "any"]), st.lists(inner, min_size=2, max_size=3)).map(
        lambda each: {each[0]: each[1]}
    ),
    max_leaves=8,
)
_ACTIONS = st.sampled_from(
    [
        {"hand_off": {"priority": "high"}},
        {"hand_off": {"to": "billing", "priority": "normal"}},
        {"tell": {}},
        {"tell": {"to": "ana"}},
        {"ask_approval": {}},
    ]
)


def as_form(content: dict[str, Any]) -> FormData:
    """What a browser sends of the form that shows this, as its templates write it."""
    pairs: list[tuple[str, str | UploadFile]] = [(name, content[name]) for name in form.TEXTS]
    pairs += [("picture", content["picture"] or "")]
    pairs += [("models", each) for each in content["models"]]
    pairs += [("suggested_prompts", each) for each in [*content["suggested_prompts"], "", ""]]
    for tool in reversed(content["tools"]):
        pairs += [("tools", tool["name"]), (f"approval:{tool['name']}", tool.get("approval", ""))]
    pairs += [("knowledge", each) for each in reversed(content["knowledge"])]
    pairs += [(f"caps.{name}", str(value)) for name, value in content["caps"].items()]
    pairs += [("hours.mode", "set" if content["hours"] else "always")]
    for name, value in content["hours"].items():
        pairs.append((f"hours.{name}", "\r\n".join(value) if name == "closed" else value))
    for place, rule in enumerate(content["escalation"]):
        pairs += _rule(f"rule.{place}", rule)
    return FormData(pairs)


def _rule(at: str, rule: dict[str, Any]) -> list[tuple[str, str]]:
    [(then, terms)] = rule["then"].items()
    pairs = [(f"{at}.name", rule["name"]), (f"{at}.then", then)]
    pairs += [(f"{at}.{name}", value) for name, value in terms.items()]
    return pairs + _condition(f"{at}.when", rules_form.as_group(rule["when"]))


def _condition(at: str, condition: dict[str, Any]) -> list[tuple[str, str]]:
    [(kind, value)] = condition.items()
    pairs = [(at, kind)]
    if kind in rules_form.GROUPS:
        return pairs + [pair for place, each in enumerate(value) for pair in _condition(f"{at}.{place}", each)]
    return [*pairs, (f"{at}.v", rules_form.shown_value(value))] if kind not in rules_form.FLAGS else pairs


@given(_CONDITIONS, _ACTIONS)
@settings(max_examples=150, deadline=None)
def test_a_rule_is_read_back_as_it_was_shown(when: dict[str, Any], then: dict[str, Any]) -> None:
    rule = {"name": "rule", "when": when, "then": then}
    [read] = rules_form.read(as_form({**blank(), "escalation": [rule]}))
    assert read == rule
    try:
        wanted = Rule.model_validate(rule).content()
    except ValueError:
        return
    assert Rule.model_validate(read).content() == wanted


@pytest.mark.parametrize("start", starts.STARTS, ids=lambda start: start.key)
def test_all_of_a_content_is_read_back_as_it_was_shown(start: starts.Start) -> None:
    content = start.content() | {
        "picture": "01a22665-a6bf-7688-824d-1d0138b2724c",
        "models": ["openai/gpt-5.4", "local/smollm2"],
        "tools": [{"name": "remember", "approval": "always"}, {"name": "hand_off"}],
        "knowledge": ["z", "a"],
        "caps": {"steps": 4, "cost": "0.25"},
        "hours": {"mon": "09:00-17:00", "time_zone": "Europe/Vienna", "closed": ["2026-12-25", "2026-12-26"]},
    }
    assert form.read(as_form(content), content) == content


def test_what_cannot_be_read_is_kept_for_the_check_to_tell_of() -> None:
    given = FormData(
        {
            "caps.steps": "many",
            "hours.mode": "set",
            "rule.0.name": "r",
            "rule.0.when": "all",
            "rule.0.when.0": "turns",
            "rule.0.when.0.v": "three",
            "rule.0.when.1": "nonsense",
        }
    )
    read = form.read(given, blank())
    assert read["caps"] == {"steps": "many"}
    assert read["hours"] == {"time_zone": "UTC"}
    assert read["escalation"][0]["when"] == {"all": [{"turns": "three"}, {"asked_for_human": True}]}


RULES = [
    {"name": "a", "when": {"mood": "angry"}, "then": {"tell": {}}},
    {"name": "b", "when": {"any": [{"turns": 3}, {"all": [{"turns": 4}, {"turns": 5}]}]}, "then": {"tell": {}}},
]


@pytest.mark.parametrize(
    ("edit", "when"),
    [
        ("condition.0", {"all": [{"mood": "angry"}, {"asked_for_human": True}]}),
        ("group.0", {"all": [{"mood": "angry"}, {"any": [{"asked_for_human": True}]}]}),
        ("drop.0.0", {"all": []}),
    ],
)
def test_a_lone_condition_becomes_a_group_when_it_is_joined(edit: str, when: dict[str, Any]) -> None:
    assert rules_form.edited(RULES, edit)[0]["when"] == when


@pytest.mark.parametrize(
    ("edit", "when"),
    [
        ("condition.1.1", {"any": [{"turns": 3}, {"all": [{"turns": 4}, {"turns": 5}, {"asked_for_human": True}]}]}),
        ("drop.1.1.0", {"any": [{"turns": 3}, {"all": [{"turns": 5}]}]}),
        ("drop.1.1", {"any": [{"turns": 3}]}),
        ("drop.1.9", RULES[1]["when"]),
        ("condition.1.0", RULES[1]["when"]),
    ],
)
def test_conditions_are_added_and_dropped_where_they_stand(edit: str, when: dict[str, Any]) -> None:
    assert rules_form.edited(RULES, edit)[1]["when"] == when


def test_rows_are_added_moved_and_removed_and_nonsense_changes_nothing() -> None:
    assert form.moved(["a", "b"], "up.1", "") == ["b", "a"]
    assert form.moved(["a", "b"], "down.0", "") == ["b", "a"]
    assert form.moved(["a", "b"], "up.0", "") == ["a", "b"]
    assert form.moved(["a", "b"], "remove.0", "") == ["b"]
    assert form.moved(["a"], "add", "") == ["a", ""]
    for nonsense in ("up.9", "up.-1", "remove.x", ""):
        assert form.moved(["a"], nonsense, "") == ["a"]
    assert [rule["name"] for rule in rules_form.edited(RULES, "add")] == ["a", "b", "rule-3"]
    assert [rule["name"] for rule in rules_form.edited(RULES, "down.0")] == ["b", "a"]
    assert rules_form.edited(RULES, "remove.7") == RULES
