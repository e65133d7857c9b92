"""Meta's own description of its API keeps the double honest. Collected only where that description is."""

import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]  # The description is in YAML, and one package's stubs are not worth having.
from jsonschema import Draft202012Validator

from konstruct.adapters.slack import open_session
from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.ports import Button, OutgoingFile, Template
from tests.konstruct.adapters.whatsapp.place import account_of, outgoing, thread_with
from tests.support.graph_double import GraphDouble, Json, Number, Person, webhooks

META = Path(os.environ["KONSTRUCT_CORPORA"], "whatsapp_meta_openapi_v23")
NEWER = {"recipient", "biz_opaque_callback_data"}
"""What the description, which is of v23, does not know."""

pytestmark = pytest.mark.corpora


@pytest.fixture(scope="module")
def schemas() -> Json:
    text = (META / "business-messaging-api_v23.0.yaml").read_text()
    found: Json = yaml.load(text, Loader=yaml.CSafeLoader)["components"]["schemas"]
    return found


def check(schemas: Json, name: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    problems = [error.message for error in Draft202012Validator(schema).iter_errors(value)]
    assert not problems, (value, problems)


def check_message(schemas: Json, body: Json) -> None:
    """The description forbids in one half of a message what stands in the other, so the halves are joined first."""
    reference = schemas["Message"]["discriminator"]["mapping"][body["type"]]
    halves = schemas[reference.rpartition("/")[2]]["allOf"]
    joined: Json = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    for half in halves:
        half = schemas[half["$ref"].rpartition("/")[2]] if "$ref" in half else half
        joined["properties"] |= half["properties"]
        joined["required"] += half["required"]
    known = {name: value for name, value in json.loads(json.dumps(body)).items() if name not in NEWER}
    if known.get("interactive", {}).get("type") == "list":
        # The description has one limit for all bodies, that of messages with buttons; a list's is four times as long.
        known["interactive"]["body"]["text"] = known["interactive"]["body"]["text"][:1_024]
    schema = joined | {"components": {"schemas": schemas}}
    problems = [error.message for error in Draft202012Validator(schema).iter_errors(known)]
    assert not problems, (body, problems)


async def test_what_we_send_and_what_the_double_answers_is_as_meta_describes_it(schemas: Json) -> None:
    async with GraphDouble().running() as graph, open_session() as session:
        number, person = graph.add_number(), graph.person()
        said = await graph.person_says(number, person, "hello")
        graph.approve_template(number, "come_back", places=1)
        messenger, account = WhatsAppMessenger(session, graph.api_url), account_of(number)
        buttons = (Button("1", "Yes"), Button("2", "No"))
        for message in [
            outgoing(reply_to=said.id),
            outgoing(buttons=buttons),
            outgoing("word " * 500, buttons=buttons),
            outgoing(file=OutgoingFile("a.jpg", "image/jpeg", b"x")),
            outgoing(file=OutgoingFile("a.ogg", "audio/ogg", b"x")),
            outgoing(file=OutgoingFile("a.mp4", "video/mp4", b"x")),
            outgoing(file=OutgoingFile("a.pdf", "application/pdf", b"x")),
            outgoing(template=Template("come_back", "en", ("Ann",))),
        ]:
            await messenger.send(account, thread_with(number, person), message)
        await messenger.show_thinking(account, thread_with(number, person, said.id))
        sends = graph.calls_of("messages")
        assert {call.body["type"] for call in sends} == {
            *("text", "interactive", "image", "audio", "video", "document", "template")
        }
        for call in sends:
            check_message(schemas, call.body)
            check(schemas, "MessageResponsePayload", call.answer)
        [read] = graph.calls_of("read")
        check(schemas, "MarkMessageRequestPayload", read.body)
        check(schemas, "MarkMessageResponsePayload", read.answer)


EXAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted((META / "send_examples").glob("*.json"))}
UNSUPPORTED = {
    name
    for name, body in EXAMPLES.items()
    # The first has an interactive message without saying so; the others are of kinds that we never send.
    if name == "send_reply_to_list_message"
    or (body.get("type") == "interactive" and body["interactive"]["type"] not in {"button", "list"})
}


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - UNSUPPORTED))
async def test_what_meta_gives_as_an_example_the_double_takes(name: str) -> None:
    async with GraphDouble().running() as graph:
        number, person = graph.add_number(), graph.person()
        said = await graph.person_says(number, person, "hello")
        body = filled(graph, number, person, EXAMPLES[name], said.id)
        answer = await posted(graph, number, body)
    assert answer.get("success") or answer["messages"][0]["id"].startswith("wamid."), answer


async def posted(graph: GraphDouble, number: Number, body: Json) -> Json:
    url = f"{graph.api_url}{number.phone_number_id}/messages"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {number.token}"}) as client,
        client.post(url, json=body) as answer,
    ):
        found: Json = await answer.json()
        return found


def filled(graph: GraphDouble, number: Number, person: Person, example: Json, said: str) -> Json:
    """With what stands for a person, a file or a message put in, and a template that fits."""
    body: Json = json.loads(json.dumps(example))
    if body.get("status") == "read":
        return body | {"message_id": said}
    body["to"] = person.wa_id
    kinds = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/ogg", "sticker": "image/webp"}
    content: Any = body.get(body.get("type", "text"))
    if body.get("type") in {*kinds, "document"} and "id" in content:
        media_type = kinds.get(body["type"], "application/pdf")
        content["id"] = graph.world.keep(number, media_type, b"x", is_uploaded=True).id
    if body.get("type") == "template":
        content |= {"name": "any", "language": {"code": "en"}}
        places = sum(len(one["parameters"]) for one in content.get("components", []) if one["type"] == "body")
        graph.approve_template(number, "any", places=places)
    return body


async def test_what_the_double_reports_is_as_meta_describes_it(schemas: Json) -> None:
    async with GraphDouble().running() as graph:
        number, person = graph.add_number(), graph.person(user_id="US.1")
        await graph.person_says(number, person, "hello")
        await posted(graph, number, {"messaging_product": "whatsapp", "to": person.wa_id, "text": {"body": "hi"}})
        [sent] = graph.sent()
        reports = [graph.reported(sent, state) for state in ("sent", "delivered", "read")]
        reports.append(graph.reported(sent, "failed", code=131047))
    for change in reports:
        check(schemas, "StatusMessageValue", change["value"])


CAPTION = {"caption": "Taj Mahal"}
REPLY = {"id": "1", "title": "Yes"}


@pytest.mark.parametrize(
    ("name", "kind", "content", "more"),
    [
        ("text_message", "text", {"body": "hello"}, {}),
        ("image_message", "image", webhooks.media("1", "image/jpeg", "x", **CAPTION), {}),
        ("button_message", "button", {"payload": "1", "text": "Yes"}, {"context": {"from": "1", "id": "2"}}),
        ("interactive_button_reply_message", "interactive", {"type": "button_reply", "button_reply": REPLY}, {}),
        ("interactive_list_reply_message", "interactive", {"type": "list_reply", "list_reply": REPLY}, {}),
    ],
)
def test_what_a_person_says_has_the_shape_of_metas_own_example(name: str, kind: str, content: Json, more: Json) -> None:
    """The description itself takes what comes in for what goes out, and so would refuse its own examples."""
    graph = GraphDouble()
    number = graph.add_number()
    change = graph.written(number, graph.person(), kind, content, **more)
    example = json.loads((META / "webhook_examples" / f"{name}.json").read_text())
    assert paths(webhooks.payload((number, change))) >= paths(example) - {OPTIONAL, *DESCRIBED}
    assert paths(webhooks.payload((number, change))) <= paths(example)


OPTIONAL = "entry.changes.value.messages.context"
DESCRIBED = {f"{OPTIONAL}.from", f"{OPTIONAL}.id", "entry.changes.value.messages.interactive.list_reply.description"}


def paths(value: Any, within: str = "") -> set[str]:
    if isinstance(value, list):
        return {path for one in value for path in paths(one, within)}
    if not isinstance(value, dict):
        return set()
    names = {name: f"{within}.{name}".lstrip(".") for name in value}
    return set(names.values()) | {path for name, one in value.items() for path in paths(one, names[name])}


def test_there_are_examples() -> None:
    assert len(set(EXAMPLES) - UNSUPPORTED) > 30
