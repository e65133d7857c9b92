"""What a model is told of an answer, and what it is told when there is no good one."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from konstruct.errors import ToolFailed
from konstruct.source_ports import WebAnswer
from konstruct.tools.http import DEEPEST, LONGEST_TEXT, HttpToolDefinition, result

ORDER: dict[str, JsonValue] = {
    "data": {"id": "A-17", "lines": [{"sku": "x", "n": 2}, {"sku": "y", "n": 1}], "paid": None}
}


def told(
    content: JsonValue | bytes, *, status: int = 200, content_type: str = "application/json", **fields: Any
) -> JsonValue:
    tool = HttpToolDefinition.parse({"url": "https://shop.example/", **fields})
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"content-type": content_type} if content_type else {}
    return result(tool, WebAnswer("https://shop.example/", status, headers, body))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, ORDER),
        ("data.id", "A-17"),
        ("data.lines[?n > `1`].sku", ["x"]),
        ("sum(data.lines[].n)", 3),
        (
            {"order": "data.id", "paid": "data.paid", "skus": "data.lines[].sku"},
            {"order": "A-17", "paid": None, "skus": ["x", "y"]},
        ),
    ],
)
def test_what_is_kept_of_an_answer(wanted: JsonValue, found: JsonValue) -> None:
    assert told(ORDER, result=wanted) == found


@pytest.mark.parametrize(
    "wanted",
    [
        "|".join(["[@,@][]"] * 40),
        "|".join(["[@,@]"] * 60) + "|to_string(@)",
        "|".join(["{a:@,b:@}"] * 50),
        "|".join(["join('',[@,@])"] * 30),
        "|".join(["[*]|[@,@]"] * 40),
    ],
)
def test_no_expression_makes_more_of_an_answer_than_there_is_room_for(wanted: str) -> None:
    began = time.monotonic()
    with pytest.raises(ToolFailed, match="cannot be read as this tool expects"):
        told("twenty characters, or more" if wanted.startswith("join") else ["a"], result=wanted)
    assert time.monotonic() - began < 15


def test_a_schema_holds_for_what_is_kept() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    assert told(ORDER, result={"id": "data.id"}, result_schema=schema) == {"id": "A-17"}
    with pytest.raises(ToolFailed, match=r"not as it should be, at \$\.id: .*not of type 'string'"):
        told(ORDER, result={"id": "data.lines"}, result_schema=schema)
    with pytest.raises(ToolFailed, match=r"at \$: 'id' is a required property"):
        told(ORDER, result_schema=schema)


def test_whether_there_may_be_nothing_is_for_the_schema_to_say() -> None:
    assert told(ORDER, result="data.paid", result_schema={"type": ["null", "string"]}) is None
    with pytest.raises(ToolFailed, match="nothing where this tool looks: it holds data"):
        told(ORDER, result="data.paid")
    with pytest.raises(ToolFailed, match=r"it is a list of 2\."):
        told([1, 2], result={"a": "b", "c": "d"})


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"data": {"$ref": "#/$defs/nowhere"}}},
        {
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
            "properties": {"data": {"$ref": "#/$defs/a"}},
        },
    ],
)
def test_a_schema_that_leads_nowhere_fails_the_tool_and_nothing_else(schema: JsonValue) -> None:
    with pytest.raises(ToolFailed, match="the schema"):
        told(ORDER, result_schema=schema)


@pytest.mark.parametrize(
    "expression", ["length(data.paid)", "sort_by(data.lines, &nothing)", "&data", "to_number('nan')", "abs(data)"]
)
def test_an_expression_that_does_not_fit_the_answer_fails_the_tool(expression: str) -> None:
    with pytest.raises(ToolFailed):
        told(ORDER, result=expression)


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_a_refusal_is_told_with_what_the_service_says(status: int) -> None:
    with pytest.raises(ToolFailed, match=rf"answered {status}: .*no such order"):
        told({"error": "no such order"}, status=status)
    with pytest.raises(ToolFailed, match=rf"answered {status} and nothing more"):
        told(b"", status=status)


def test_what_a_service_says_is_cut_and_cleaned() -> None:
    page = "<style>p {color: red}</style><script>var hidden = 1;</script><p>Not &amp; found\x00\x07\u202e\n\n  here</p>"
    with pytest.raises(ToolFailed) as refused:
        told((page + "long " * 5000).encode(), status=404, content_type="text/html")
    sentence = str(refused.value)
    assert sentence.startswith("The service answered 404: Not & found here long long")
    assert len(sentence) < 350
    with pytest.raises(ToolFailed) as refused:
        told(b'{"error": "bad header: Bearer hunter2hunter2"}', status=401)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"words", b"{", b"\xff", b'{"a": NaN}', b"[Infinity]", b"[1e999]", b"[" * 100_000, b"1" * 5_000, b"<html>"],
)
def test_what_should_be_json_and_is_none(content: bytes) -> None:
    with pytest.raises(ToolFailed, match="is no JSON"):
        told(content, result="a")
    if content:
        with pytest.raises(ToolFailed, match="is no JSON"):
            told(content)


def test_json_is_read_in_whatever_it_says_it_is_where_it_is_needed() -> None:
    assert told(b'\xef\xbb\xbf{"a": 1}', content_type="text/plain", result="a") == 1
    assert told('{"a": "ü"}'.encode("utf-16"), content_type="application/problem+json") == {"a": "ü"}
    assert told(b'{"a": 1}', content_type="") == '{"a": 1}'


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        ("Grüße".encode(), "text/plain", "Grüße"),
        ("Grüße".encode("latin-1"), "text/plain; charset=ISO-8859-1", "Grüße"),
        ("Grüße".encode("utf-16"), 'text/csv; charset="utf-16"', "Grüße"),
        ("Grüße".encode(), "text/plain; charset=konstruct", "Grüße"),
        ("Grüße".encode(), "text/plain; charset=hex", "Grüße"),
        ("Grüße".encode(), "text/plain; charset=idna", "Grüße"),
        ("Gr\xfc".encode("latin-1"), "text/plain", "Gr\ufffd"),
        (b"\xef\xbb\xbfa\x00b", "text/plain", "a\ufffdb"),
        (b"<a/>", "application/xml", "<a/>"),
        (b"words", "", "words"),
        (b"words", "nonsense", "words"),
    ],
)
def test_an_answer_that_is_text_is_told_as_text(content: bytes, content_type: str, text: str) -> None:
    assert told(content, content_type=content_type) == text


def test_a_long_text_is_cut() -> None:
    assert told(b"x" * (LONGEST_TEXT + 1), content_type="text/plain") == "x" * LONGEST_TEXT


def test_an_answer_without_a_body_is_nothing() -> None:
    assert told(b"", status=204) is None
    assert told(b" \r\n", content_type="text/plain") is None


@pytest.mark.parametrize("content_type", ["image/png", "application/pdf", "application/octet-stream"])
def test_what_is_no_text_is_not_told(content_type: str) -> None:
    with pytest.raises(ToolFailed, match=f"answered with {content_type}"):
        told(b"\x89PNG", content_type=content_type)


def test_what_a_database_cannot_keep_is_replaced() -> None:
    assert told(b'{"a\\u0000": ["\\ud800x", "\\u0000"]}') == {"a\ufffd": ["\ufffdx", "\ufffd"]}


def test_depth_is_bounded() -> None:
    value: JsonValue = "x"
    for _ in range(DEEPEST):
        value = [value]
    assert told(value) == value
    with pytest.raises(ToolFailed, match="nested"):
        told([value])


@given(st.binary(max_size=60), st.sampled_from(["application/json", "text/html; charset=utf-7", "text/plain", ""]))
def test_whatever_a_service_answers_it_is_told_or_the_tool_fails(content: bytes, content_type: str) -> None:
    for fields in ({}, {"result": "a"}, {"result_schema": {"type": "string"}}):
        for status in (200, 500):
            try:
                value = told(content, status=status, content_type=content_type, **fields)
            except ToolFailed:
                continue
            json.dumps(value, allow_nan=False).encode()
