"""What an operator may write down as a tool, and what is said about the rest."""

import json
from typing import Any

import pytest
from pydantic import JsonValue

from konstruct.errors import BadInput
from konstruct.tools.http_definition import HttpToolDefinition

PARAMETERS: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "note": {"type": "string"}},
    "required": ["order"],
}

WHOLE: dict[str, JsonValue] = {
    "method": "POST",
    "url": "https://shop.example/v1/orders/{order}/notes",
    "parameters": PARAMETERS,
    "query": {"lang": "en", "note": "{note}"},
    "headers": {"X-Shop": "1", "Content-Type": "application/vnd.api+json"},
    "body": {"note": "{note}", "tags": ["a", 1, None, {"b": "order {order}"}]},
    "auth": {"kind": "header", "name": "X-Api-Key"},
    "result": {"id": "data.id", "state": "data.attributes.state"},
    "result_schema": {"type": "object", "required": ["id"]},
    "sends_idempotency_key": True,
    "timeout_seconds": 5.5,
}


@pytest.mark.parametrize(
    "data",
    [
        WHOLE,
        {"url": "https://shop.example"},
        {"url": "http://[::1]:8080/"},
        {"url": "https://shop.example/a%20b/~c;d=e/@f/"},
        {"url": "https://shop.example/", "result": "data[?state=='open'].id | [0]"},
        {"url": "https://shop.example/", "auth": {"kind": "query", "name": "key"}},
        {"url": "https://shop.example/", "method": "POST", "body": "{{literal}} { id }"},
    ],
)
def test_a_definition_is_stored_and_read_again_as_it_is(data: dict[str, JsonValue]) -> None:
    definition = HttpToolDefinition.parse(data)
    stored = json.loads(definition.model_dump_json(exclude_defaults=True))
    assert HttpToolDefinition.parse(stored) == definition
    assert stored == {**stored, **data}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"url": None}, "url: "),
    ({"url": "shop.example/orders"}, "url: must be https://host/path"),
    ({"url": "ftp://shop.example/"}, "url: must be https://host/path"),
    ({"url": "https://user:hunter2@shop.example/"}, "url: must be https://host/path"),
    ({"url": "https://shop.example/#top"}, "url: must be https://host/path"),
    ({"url": "https://shop.example/?a=b"}, "url: must not hold a query"),
    ({"url": "https://{order}/"}, "url: must be https://host/path"),
    ({"url": "https://shop.example:{order}/"}, "url: must be https://host/path"),
    ({"url": "https://{order}.shop.example/"}, "url: must be https://host/path"),
    ({"url": "{order}://shop.example/"}, "url: must be https://host/path"),
    ({"url": "https://shop.example{order}/"}, "url: must be https://host/path"),
    ({"url": "https://shop.example\\@evil.example/"}, "url: must be https://host/path"),
    ({"url": "https://ⓢhop.example/"}, "url: must be https://host/path"),
    ({"url": "https://shop.example/a b"}, "url: holds a character"),
    ({"url": "https://shop.example/a\\b"}, "url: holds a character"),
    ({"url": "https://shop.example/a\r\nb"}, "url: holds a character"),
    ({"url": "https://shop.example/ü"}, "url: holds a character"),
    ({"url": "https://shop.example/{order"}, "url: holds a character"),
    ({"url": "https://shop.example/{{order}}"}, "url: holds a character"),
    ({"url": "https://shop.example/%{order}"}, "url: holds a character"),
    ({"url": "https://shop.example/%2{order}"}, "url: holds a character"),
    ({"url": "https://shop.example//orders"}, "url: must have no empty parts"),
    ({"url": "https://shop.example/a/../b"}, "url: must have no empty parts"),
    ({"url": "https://shop.example/a/%2E%2e"}, "url: must have no empty parts"),
    ({"url": "https://shop.example/{unknown}"}, "url: {unknown} is none of the parameters' properties"),
    ({"url": "https://shop.example/{note}"}, "url: what stands in the path must be among the parameters' required"),
    ({"method": "get"}, "method: "),
    ({"method": "TRACE"}, "method: "),
    ({"parameters": {"type": "array"}}, "parameters: must be the JSON Schema of an object"),
    ({"parameters": {"type": "object", "required": "a"}}, "parameters: is no JSON Schema: at $.required"),
    ({"parameters": {"type": "object", "properties": {"a": {"pattern": "("}}}}, "parameters: is no JSON Schema"),
    ({"parameters": {"type": "object", "$ref": "https://x.example/s"}}, "parameters: refers to another document"),
    ({"parameters": {"type": "object", "$ref": "file:///etc/passwd"}}, "parameters: refers to another document"),
    ({"query": {"a": 1}}, "query.a: "),
    ({"query": {"a": "{unknown}"}}, "query.a: {unknown} is none"),
    ({"headers": {"X Y": "a"}}, "headers: holds a name"),
    ({"headers": {"X-Y\r\nZ": "a"}}, "headers: holds a name"),
    ({"headers": {"X-{order}": "a"}}, "headers: holds a name"),
    ({"headers": {"X-Y": "a\r\nZ: b"}}, "headers: X-Y holds characters"),
    ({"headers": {"X-Y": "ü"}}, "headers: X-Y holds characters"),
    ({"headers": {"X-Y": ""}}, "headers: X-Y holds characters"),
    ({"headers": {"X-Y": "{order}"}}, "headers: X-Y takes fixed text"),
    ({"headers": {"Host": "evil.example"}}, "headers: must not set Host"),
    ({"headers": {"transfer-encoding": "chunked"}}, "headers: must not set transfer-encoding"),
    ({"headers": {"Idempotency-Key": "1"}}, "headers: must not set Idempotency-Key"),
    ({"headers": {"A": "1", "a": "2"}}, "headers: sets A twice"),
    ({"headers": {"Content-Type": "text/plain"}}, "headers: the body is JSON"),
    ({"headers": {"authorization": "x"}, "auth": {"kind": "bearer"}}, "headers: Authorization is written by auth"),
    ({"headers": {"x-key": "x"}, "auth": {"kind": "header", "name": "X-Key"}}, "headers: X-Key is written by auth"),
    ({"query": {"k": "x"}, "auth": {"kind": "query", "name": "k"}}, "query: k is written by auth"),
    ({"auth": {"kind": "magic"}}, "auth.kind: "),
    ({"auth": {"kind": "header"}}, "auth: name is for header and query"),
    ({"auth": {"kind": "bearer", "name": "x"}}, "auth: name is for header and query"),
    ({"auth": {"kind": "header", "name": "Host"}}, "auth: name is none"),
    ({"auth": {"kind": "header", "name": "X\r\nY"}}, "auth: name is none"),
    ({"auth": "bearer"}, "auth: "),
    ({"body": {"a": "{unknown}"}, "method": "POST"}, "body: {unknown} is none"),
    ({"body": {}}, "body: a GET request has none"),
    ({"result": "a["}, "result: is no JMESPath expression"),
    ({"result": ""}, "result: is no JMESPath expression"),
    ({"result": {"a": "b", "c": "nope("}}, "result: c is no JMESPath expression"),
    ({"result": {"a": 1}}, "result: a must be a JMESPath expression"),
    ({"result": {}}, "result: must be a JMESPath expression"),
    ({"result": ["a"]}, "result: must be a JMESPath expression"),
    ({"result": "a" * 501}, "result: is longer than 500 characters"),
    ({"result": "[" * 500}, "result: is no JMESPath expression"),
    ({"result": "!" * 499 + "a"}, "result: is no JMESPath expression"),
    ({"result_schema": {"type": "thing"}}, "result_schema: is no JSON Schema: at $.type"),
    ({"result_schema": {"allOf": [{"$ref": "other.json"}]}}, "result_schema: refers to another document"),
    ({"timeout_seconds": 0}, "timeout_seconds: "),
    ({"timeout_seconds": 121}, "timeout_seconds: "),
    ({"timeout_seconds": "5"}, "timeout_seconds: "),
    ({"timeout_seconds": float("nan")}, "timeout_seconds: "),
    ({"timeout": 5}, "timeout: is no field of an HTTP tool"),
    ({"query": {"a": "\x00"}}, "NUL"),
    ({"query": {"a": "\ud800"}}, "half a character"),
    ({"query": {"\x00": "a"}}, "NUL"),
]


@pytest.mark.parametrize(("change", "what"), WRONG, ids=[what for _, what in WRONG])
def test_what_is_wrong_is_said_with_its_place(change: dict[str, Any], what: str) -> None:
    with pytest.raises(BadInput) as refused:
        HttpToolDefinition.parse({"url": "https://shop.example/", "parameters": PARAMETERS, **change})
    assert what in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(BadInput) as refused:
        HttpToolDefinition.parse({"method": "LOOK", "colour": "red"})
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == ["method", "url", "colour"]
    assert "LOOK" not in str(refused.value)


def test_a_body_that_is_nested_without_end_is_refused() -> None:
    body: JsonValue = "x"
    for _ in range(5_000):
        body = [body]
    with pytest.raises(BadInput, match="nested"):
        HttpToolDefinition.parse({"url": "https://shop.example/", "method": "POST", "body": body})
