"""Whether a schema can be used, and what precisely is wrong with a model's arguments."""

import time
from typing import Any

import pytest
from pydantic import JsonValue

from konstruct.errors import BadInput, ToolFailed
from konstruct.tools import schemas

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "order": {"type": "string", "pattern": "^[A-Z]-[0-9]+$"},
        "amount": {"type": "number", "exclusiveMinimum": 0},
        "lines": {"type": "array", "items": {"type": "object", "required": ["sku"]}},
    },
    "required": ["order"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"type": "objekt"}, "is no JSON Schema: at $.type"),
        ({"type": "object", "properties": []}, "is no JSON Schema: at $.properties"),
        ({"$ref": "https://elsewhere.example/schema.json"}, "refers to another document"),
        ({"properties": {"a": {"items": [{"$ref": "other.json"}]}}}, "refers to another document"),
        ({"$ref": "#/$defs/none"}, "refers to a part of itself that it does not have"),
        ({"$ref": "#"}, "leads in a circle"),
        ({"$id": "https://elsewhere.example/"}, r"may not use \$id"),
        ({"$defs": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}, r"may not use \$schema"),
        ({"allOf": [{"$dynamicRef": "#a"}]}, r"may not use \$dynamicRef"),
        ({"description": "a" * 32_000}, "is longer than 32,000 characters"),
    ],
)
def test_a_schema_that_cannot_be_used_is_told(schema: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint.replace("$.", r"\$\.")):
        schemas.check(schema)


def test_a_schema_may_refer_to_its_own_parts() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/tree"}},
        "$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}}},
    }
    schemas.check(schema)
    assert schemas.complaint(schema, {"tree": {"left": {"left": {}}}}) is None
    assert schemas.complaint(schema, {"tree": {"left": 1}}) == "at $.tree.left: 1 is not of type 'object'"


def test_a_schema_that_is_too_deep_is_no_crash() -> None:
    schema: dict[str, Any] = {}
    for _ in range(1_500):
        schema = {"not": schema}
    with pytest.raises(BadInput, match=r"nested too deeply|leads in a circle"):
        schemas.check(schema)


def test_a_property_may_be_called_as_a_keyword_is() -> None:
    schemas.check({"type": "object", "properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}})


def test_a_strangers_patterns_are_not_matched() -> None:
    bad: dict[str, Any] = {"pattern": "(a+)+$", "type": "string"}
    kept = schemas.without_patterns(
        {
            "properties": {"a": bad, "b": {"$ref": "#/$defs/b"}},
            "$defs": {"b": bad},
            "anyOf": [{"properties": {"c": bad}}],
        }
    )
    assert isinstance(kept, dict)
    assert "pattern" not in str(kept)
    assert schemas.complaint(kept, dict.fromkeys("abc", "a" * 40 + "!")) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "string", "pattern": r"^(\w+\s?)*$"}}},
        {"properties": {"a": {"type": "string", "pattern": r"^(([a-z])+.)+[A-Z]([a-z])+$"}}},
        {"propertyNames": {"pattern": r"^(\w+\s?)*$"}},
        {"patternProperties": {r"^(\w+\s?)*$": {}}},
        {"patternProperties": {r"^(\w+\s?)*$": {}}, "additionalProperties": False},
    ],
)
def test_no_pattern_keeps_all_others_waiting(schema: dict[str, Any]) -> None:
    """Whoever runs a business writes its tools, and all businesses share a process."""
    schemas.check(schema)
    long = "aaaaa " * 20_000 + "!"
    began = time.monotonic()
    assert schemas.complaint(schema, {"a": long, long: 1}) is not None
    assert time.monotonic() - began < 5


def test_patterns_of_names_let_pass_what_they_name_alone() -> None:
    schema: dict[str, Any] = {
        "properties": {"id": {}},
        "patternProperties": {"^x-": {"type": "string"}},
        "additionalProperties": False,
    }
    schemas.check(schema)
    assert schemas.complaint(schema, {"id": 1, "x-a": "b"}) is None
    assert "'y-a' was unexpected" in str(schemas.complaint(schema, {"id": 1, "y-a": "b"}))
    assert "at $['x-a']: 1 is not of type 'string'" in str(schemas.complaint(schema, {"x-a": 1}))


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"properties": {"a": {"pattern": "(a{1,200}){1,200}"}}}, "repeats too often"),
        ({"patternProperties": {"(a{1,200}){1,200}": {}}}, "repeats too often"),
        (
            {"allOf": [{"patternProperties": {"a": {}}}], "unevaluatedProperties": False},
            "may not use patternProperties and unevaluatedProperties together",
        ),
    ],
)
def test_patterns_that_cannot_be_held_to_a_time_are_refused(schema: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        schemas.check(schema)


def test_an_argument_that_is_called_pattern_stays_one() -> None:
    grep: dict[str, Any] = {"properties": {"pattern": {"type": "string", "pattern": "."}}, "required": ["pattern"]}
    assert schemas.without_patterns(grep) == {"properties": {"pattern": {"type": "string"}}, "required": ["pattern"]}


def test_good_arguments_are_read() -> None:
    assert schemas.arguments(' {"order": "A-17", "amount": 2.5} ', ORDER) == {"order": "A-17", "amount": 2.5}
    assert schemas.arguments("", {"type": "object"}) == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"order": "A-17"', "The arguments are not JSON: "),
        ("[1]", "The arguments must be one JSON object."),
        ('"A-17"', "The arguments must be one JSON object."),
        ('{"order": "A-17", "amount": NaN}', "The arguments are not JSON: NaN is no JSON number"),
        ('{"order": "A-17", "amount": -Infinity}', "-Infinity is no JSON number"),
        ("[" * 100_000, "The arguments are longer than 50,000 characters."),
        ('{"order": ' * 5_000, "The arguments are not JSON"),
        ("{}", "at $: 'order' is a required property"),
        ('{"order": "a-17"}', "at $.order: 'a-17' does not match"),
        ('{"order": "A-17", "amount": "2"}', "at $.amount: '2' is not of type 'number'"),
        ('{"order": "A-17", "amount": 0}', "at $.amount: 0 is less than or equal to the minimum of 0"),
        ('{"order": "A-17", "lines": [{}, {"sku": 1}, {}]}', "at $.lines[2]: 'sku' is a required property"),
        ('{"order": "A-17", "to": "me"}', "Additional properties are not allowed ('to' was unexpected)"),
    ],
)
def test_arguments_that_do_not_fit_are_told_precisely(text: str, complaint: str) -> None:
    with pytest.raises(ToolFailed) as caught:
        schemas.arguments(text, ORDER)
    assert complaint in str(caught.value)


def test_of_many_mistakes_the_first_few_are_told_and_none_at_length() -> None:
    schema: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}
    text = schemas.complaint(schema, {f"a{number}": "x" * 1_000 for number in range(100)})
    assert text is not None
    assert text.count("at $.") == schemas.MOST_PROBLEMS
    assert len(text) < schemas.MOST_PROBLEMS * (schemas.LONGEST_PROBLEM + 30)
    assert "…" in text


def test_a_value_that_is_nested_without_end_is_told() -> None:
    value: Any = {}
    for _ in range(3_000):
        value = {"left": value}
    tree: dict[str, Any] = {"type": "object", "properties": {"left": {"$ref": "#"}}}
    assert schemas.complaint(tree, value) == "the schema leads in a circle, or the value is nested too deeply"


def test_the_same_value_has_the_same_text() -> None:
    assert schemas.canonical({"b": [1, 2.5], "a": "é"}) == schemas.canonical({"a": "é", "b": [1, 2.5]})
    assert schemas.canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'


def doubling(levels: int) -> dict[str, Any]:
    """A small schema whose every level looks at the next one twice."""
    parts: dict[str, Any] = {f"d{level}": {"allOf": 2 * [{"$ref": f"#/$defs/d{level + 1}"}]} for level in range(levels)}
    return {"type": "object", "allOf": [{"$ref": "#/$defs/d0"}], "$defs": {**parts, f"d{levels}": True}}


def test_a_schema_that_would_be_looked_at_for_ever_is_found_out() -> None:
    with pytest.raises(BadInput, match="nested too deeply"):
        schemas.check(doubling(40))
    assert schemas.complaint(doubling(40), {}) == "it takes too long to be checked"


@pytest.mark.parametrize("schema", [{"type": "str"}, {"multipleOf": 0}, {"properties": 5}])
def test_a_schema_that_is_none_fails_with_a_sentence(schema: dict[str, JsonValue]) -> None:
    value: JsonValue = {} if "properties" in schema else 7
    assert schemas.complaint(schema, value) == "the schema cannot be used"


def test_long_lists_are_not_compared_with_themselves() -> None:
    alike: list[JsonValue] = [{"a": 1}, {"a": 1}]
    assert schemas.complaint({"uniqueItems": True}, alike) is not None
    assert schemas.complaint({"uniqueItems": True}, alike * 10_000) is None
