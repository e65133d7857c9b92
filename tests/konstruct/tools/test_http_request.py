"""What becomes of arguments: values in their places, and never anything else."""

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue, SecretStr

from konstruct.errors import Misconfigured, ToolFailed
from konstruct.source_ports import WebRequest
from konstruct.tools.http import HttpToolDefinition, request

NAMES = ("a", "b", "c", "d")


def definition(**fields: Any) -> HttpToolDefinition:
    properties: dict[str, JsonValue] = {name: {} for name in NAMES}
    return HttpToolDefinition.parse(
        {
            "url": "https://shop.example/orders",
            "parameters": {"type": "object", "properties": properties, "required": list(NAMES)},
            **fields,
        }
    )


def made(tool: HttpToolDefinition, secret: str | None = None, **arguments: JsonValue) -> WebRequest:
    return request(tool, arguments, None if secret is None else SecretStr(secret), "key-1")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("A-17", "A-17"),
        (17, "17"),
        (1.5, "1.5"),
        (True, "true"),
        ("a b", "a%20b"),
        ("ü☃", "%C3%BC%E2%98%83"),
        ("a/b", "a%2Fb"),
        ("a?b#c&d=e", "a%3Fb%23c%26d%3De"),
        ("100%", "100%25"),
        ("{b}", "%7Bb%7D"),
        ("a:b@c", "a%3Ab%40c"),
        ("...", "..."),
        (".a", ".a"),
    ],
)
def test_an_argument_is_one_part_of_the_path(value: JsonValue, written: str) -> None:
    tool = definition(url="https://shop.example/v1/orders/{a}/lines")
    assert made(tool, a=value, b="no").url == f"https://shop.example/v1/orders/{written}/lines"


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            ".",
            "..",
            " ",
            " .. ",
            "/",
            "/a",
            "a/",
            "a//b",
            "../b",
            "a/../b",
            "a/..",
            "..\\b",
            "\\",
            "..;x",
            "a/..;x=1/b",
        ),
        *(
            "%2e",
            "%2E%2e",
            "%2e%2e%2fb",
            "..%2fb",
            "%252e%252e",
            "%2f",
            "a%2f%2fb",
            "%5c..",
            "%00",
            "a\x00",
            "a\r\nb",
            "\t",
        ),
        *("\ud800", None, [], ["a"], {}, {"a": "b"}),
    ],
)
def test_an_argument_that_would_lead_elsewhere_is_refused(value: JsonValue) -> None:
    with pytest.raises(ToolFailed, match="argument a"):
        made(definition(url="https://shop.example/v1/orders/{a}/lines"), a=value)


def test_two_arguments_cannot_do_together_what_none_can_alone() -> None:
    tool = definition(url="https://shop.example/{a}{b}/x")
    assert made(tool, a="1", b=".").url == "https://shop.example/1./x"
    for pair in ((".", "."), ("", ""), ("%2", "e"), ("..%2", "f"), ("../", "b")):
        with pytest.raises(ToolFailed, match="argument a or b"):
            made(tool, a=pair[0], b=pair[1])


def test_an_argument_that_is_missing_from_the_path_is_asked_for() -> None:
    with pytest.raises(ToolFailed, match="argument a"):
        made(definition(url="https://shop.example/{a}"), b="x")


@pytest.mark.parametrize("value", ["x", "a&b=c", "a=b", "#", "a b+c", "ü", "%26", "\r\n", 3, 1.5, False, ""])
def test_an_argument_is_one_value_of_the_query(value: JsonValue) -> None:
    tool = definition(
        query={"fixed": "a&b", "q": "{a}", "both": "<{a}|{b}> {{c}}", "left out": "{c}", "nothing": "{d}"}
    )
    url = made(tool, a=value, b=1, d=None).url
    text = value if isinstance(value, str) else json.dumps(value)
    assert parse_qsl(url.partition("?")[2], keep_blank_values=True, strict_parsing=True) == [
        ("fixed", "a&b"),
        ("q", text),
        ("both", f"<{text}|1> {{c}}"),
    ]


@pytest.mark.parametrize("value", [["a"], {"a": 1}])
def test_a_query_takes_no_lists_and_no_objects(value: JsonValue) -> None:
    with pytest.raises(ToolFailed, match="argument a must be a text or a number"):
        made(definition(query={"q": "{a}"}), a=value)


def test_a_body_keeps_the_types_of_what_stands_alone() -> None:
    tool = definition(
        method="POST",
        body={
            "a": "{a}",
            "{b}": ["{b}", "{d}", 1, None, True],
            "text": "a {b} {{b}} {c}",
            "x": {"y": "{d}", "z": "{d} b"},
        },
    )
    sent = made(tool, a=[1, {"x": None}], b=2.5, c='"}, "admin": {"')
    assert json.loads(sent.body or b"") == {
        "a": [1, {"x": None}],
        "{b}": [2.5, 1, None, True],
        "text": 'a 2.5 {b} "}, "admin": {"',
        "x": {},
    }
    assert sent.headers["Content-Type"] == "application/json"


def test_a_body_that_is_one_argument_is_left_out_with_it() -> None:
    tool = definition(method="POST", body="{a}")
    assert made(tool, a={"x": "ü"}).body == '{"x": "ü"}'.encode()
    assert made(tool, a=None).body == b"null"
    assert made(tool).body is None


@pytest.mark.parametrize("value", ["\ud800", float("nan"), float("inf"), {"a": "\udfff"}])
def test_what_json_cannot_carry_is_not_sent(value: JsonValue) -> None:
    with pytest.raises(ToolFailed, match="JSON cannot carry"):
        made(definition(method="POST", body={"a": "{a}"}), a=value)


def test_fixed_headers_and_the_key_that_makes_a_repetition_harmless() -> None:
    tool = definition(method="POST", headers={"X-Shop": "1", "accept": "text/csv"}, sends_idempotency_key=True)
    assert made(tool).headers == {"X-Shop": "1", "accept": "text/csv", "Idempotency-Key": "key-1"}
    assert made(definition()).headers == {"Accept": "application/json, text/*;q=0.5"}
    tool = definition(method="POST", headers={"content-type": "application/vnd.api+json"}, body={})
    assert [name for name in made(tool).headers if name.lower() == "content-type"] == ["content-type"]


@pytest.mark.parametrize(
    ("auth", "secret", "headers", "query"),
    [
        ({"kind": "none"}, None, {}, ""),
        ({"kind": "none"}, "hunter2", {}, ""),
        ({"kind": "bearer"}, "hunter2", {"Authorization": "Bearer hunter2"}, ""),
        (
            {"kind": "basic"},
            "me:hünter2",
            {"Authorization": f"Basic {base64.b64encode('me:hünter2'.encode()).decode()}"},
            "",
        ),
        ({"kind": "header", "name": "X-Key"}, "hunter 2", {"X-Key": "hunter 2"}, ""),
        ({"kind": "query", "name": "key"}, "a&b=c/d", {}, "?key=a%26b%3Dc%2Fd"),
    ],
)
def test_where_the_secret_goes(auth: JsonValue, secret: str | None, headers: dict[str, str], query: str) -> None:
    sent = made(definition(auth=auth), secret)
    assert {name: value for name, value in sent.headers.items() if name != "Accept"} == headers
    assert sent.url == f"https://shop.example/orders{query}"
    assert "unter" not in repr(sent)


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("bearer", None),
        ("bearer", ""),
        ("bearer", "a\r\nX: b"),
        ("bearer", "hünter2"),
        ("bearer", " a"),
        ("basic", "hunter2"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_for_the_operator_to_mend(kind: str, secret: str | None) -> None:
    with pytest.raises(Misconfigured, match="secret") as refused:
        made(definition(auth={"kind": kind}), secret)
    assert "unter" not in str(refused.value)


HOSTILE = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="./\\%25eEfF;?#@:{}ab\r\n\x00 ", max_size=12),
    st.integers(),
    st.booleans(),
    st.floats(),
)


@given(a=HOSTILE, b=HOSTILE, c=HOSTILE)
@example(a="..", b="..", c="..")
@example(a="@evil.example", b="%2e%2e%2f", c="&admin=1")
@example(a="\\evil", b=".", c="#")
def test_no_argument_changes_whom_a_request_goes_to_or_what_its_path_is_like(
    a: JsonValue, b: JsonValue, c: JsonValue
) -> None:
    tool = definition(
        url="https://shop.example:8443/v1/{a}/x-{b}.json/{a}{b}/end",
        query={"c": "{c}", "fixed": "1"},
        method="POST",
        body={"a": "{a}", "fixed": "b is {b}"},
    )
    try:
        sent = made(tool, a=a, b=b, c=c)
    except ToolFailed:
        return
    url = httpx2.URL(sent.url)
    assert (url.scheme, url.host, url.port, url.userinfo, url.fragment) == ("https", "shop.example", 8443, b"", "")
    assert str(url) == sent.url  # As it will be sent: nothing is left for a client to tidy.
    path, _, query = url.raw_path.decode().partition("?")
    root, version, first, second, third, end = path.split("/")
    assert (root, version, end) == ("", "v1", "end")
    assert second.startswith("x-")
    assert second.endswith(".json")
    for part in (first, second, third):
        assert not set(unquote(part).replace("\\", "/").split("/")) & {"", ".", ".."}
    assert [name for name, _ in parse_qsl(query, keep_blank_values=True)] == ["c", "fixed"]
    body = json.loads(sent.body or b"")
    assert set(body) == {"a", "fixed"}
    assert body["fixed"].startswith("b is ")
    assert set(sent.headers) == {"Accept", "Content-Type"}
