"""The Graph double as any HTTP client sees it: what it checks, stores, tells, records and breaks."""

import asyncio
import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.graph_double import GraphDouble, Json, Number, Person
from tests.support.http import serve

HELLO: Json = {"messaging_product": "whatsapp", "to": "16505551234", "type": "text", "text": {"body": "hello"}}
BUTTON: Json = {"type": "reply", "reply": {"id": "1", "title": "Yes"}}
ROW: Json = {"id": "1", "title": "Yes"}


@pytest.fixture
async def graph() -> AsyncIterator[GraphDouble]:
    async with GraphDouble().running() as double:
        yield double


@pytest.fixture
def number(graph: GraphDouble) -> Number:
    return graph.add_number()


@pytest.fixture
async def sheena(graph: GraphDouble, number: Number) -> Person:
    person = graph.person("16505551234")
    await graph.person_says(number, person, "hi")
    return person


async def ask(
    graph: GraphDouble, number: Number, method: str, path: str, token: str | None = None, **request: Any
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token or number.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.request(method, f"{graph.api_url}{path}", **request) as answer,
    ):
        return answer.status, await answer.json()


async def send(graph: GraphDouble, number: Number, body: Json) -> tuple[int, Any]:
    return await ask(graph, number, "POST", f"{number.phone_number_id}/messages", json=body)


async def refusal(graph: GraphDouble, number: Number, body: Json) -> int:
    _, answer = await send(graph, number, body)
    return int(answer["error"]["code"])


def interactive(kind: str, action: Json, body: str = "x") -> Json:
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": body}, "action": action}}


async def test_a_message_is_taken_and_its_person_named(graph: GraphDouble, number: Number, sheena: Person) -> None:
    status, answer = await send(graph, number, HELLO | {"biz_opaque_callback_data": "7"})
    assert (status, answer["contacts"]) == (200, [{"input": "16505551234", "wa_id": "16505551234"}])
    [sent] = await graph.wait_for_sent(number, sheena)
    assert (sent.id, sent.opaque, sent.text) == (answer["messages"][0]["id"], "7", "hello")


async def test_tokens_belong_to_numbers(graph: GraphDouble, number: Number, sheena: Person) -> None:
    other = graph.add_number()
    path = f"{number.phone_number_id}/messages"
    status, answer = await ask(graph, number, "POST", path, "unknown", json=HELLO)
    assert (status, answer["error"]["code"]) == (401, 190)
    status, answer = await ask(graph, number, "POST", path, other.token, json=HELLO)
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, 33)
    assert (await ask(graph, number, "POST", "1/messages", json=HELLO))[1]["error"]["error_subcode"] == 33
    shared = graph.add_number(token=number.token)
    assert (await send(graph, shared, HELLO))[1]["error"]["code"] == 131047
    status, answer = await ask(graph, number, "GET", number.phone_number_id, params={"fields": "verified_name"})
    assert (status, answer["display_phone_number"]) == (200, number.display_phone_number)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"messaging_product": "x"}, 100),
        ({"type": "sonnet"}, 100),
        ({"extra": 1}, 100),
        ({"recipient_type": "crowd"}, 100),
        ({"to": "sheena"}, 131009),
        ({"to": "1", "recipient": "US.1"}, 131009),
        ({"text": {"body": ""}}, 131008),
        ({"text": {"body": "x" * 4_097}}, 131009),
        ({"text": {"body": "👍" * 2_049}}, 131009),
        ({"text": {"body": "x", "preview_url": "no"}}, 131009),
        ({"text": {"body": "x", "colour": "red"}}, 100),
        ({"text": "hello"}, 131009),
        ({"biz_opaque_callback_data": "x" * 513}, 131009),
        ({"context": {}}, 131008),
        ({"type": "image", "image": {"id": "404"}}, 100),
        (interactive("button", {"buttons": [BUTTON] * 4}), 131009),
        (interactive("button", {"buttons": [BUTTON] * 2}), 131009),
        (interactive("button", {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "x" * 21}}]}), 131009),
        (interactive("button", {"buttons": [{"type": "reply", "reply": {"id": "x" * 257, "title": "x"}}]}), 131009),
        (interactive("button", {"buttons": [BUTTON]}, "x" * 1_025), 131009),
        (interactive("button", {"buttons": []}), 131009),
        (interactive("list", {"button": "x" * 21, "sections": [{"rows": [ROW]}]}), 131009),
        (interactive("list", {"button": "x", "sections": [{"rows": [ROW] * 2}]}), 131009),
        (interactive("list", {"button": "x", "sections": [{"rows": [ROW]}] * 2}), 131008),
        (interactive("list", {"button": "x", "sections": [{"rows": [ROW | {"title": "x" * 25}]}]}), 131009),
        (interactive("list", {"button": "x", "sections": [{"rows": [ROW]}]}, "x" * 4_097), 131009),
        (interactive("carousel", {}), 131009),
        ({"type": "template", "template": {"name": "Not So", "language": {"code": "en"}}}, 131009),
        ({"type": "template", "template": {"name": "so"}}, 131008),
        ({"type": "template", "template": {"name": "so", "language": {"code": "en"}}}, 132001),
    ],
)
async def test_messages_that_graph_refuses_are_refused(
    graph: GraphDouble, number: Number, sheena: Person, change: Json, code: int
) -> None:
    body = {name: value for name, value in HELLO.items() if name != "text" or "type" not in change} | change
    expected = 131009 if change.get("type") == "image" else code
    assert await refusal(graph, number, body) == expected
    assert graph.sent() == []


async def test_the_window_closes_a_day_after_the_person_wrote(
    graph: GraphDouble, number: Number, sheena: Person
) -> None:
    stranger = graph.person("16505550000")
    assert await refusal(graph, number, HELLO | {"to": stranger.wa_id}) == 131047
    graph.pass_time(timedelta(hours=23, minutes=59))
    assert (await send(graph, number, HELLO))[0] == 200
    graph.pass_time(timedelta(minutes=2))
    assert await refusal(graph, number, HELLO) == 131047
    await graph.person_says(number, sheena, "late", ago=timedelta(hours=25))
    assert await refusal(graph, number, HELLO) == 131047
    await graph.person_says(number, sheena, "again")
    assert (await send(graph, number, HELLO))[0] == 200
    assert await refusal(graph, number, HELLO | {"to": "49301234567"}) == 131026


async def test_templates_must_be_approved_and_fit(graph: GraphDouble, number: Number) -> None:
    person = graph.person("16505551234")
    template = graph.approve_template(number, "come_back", places=1)
    filled = {"name": "come_back", "language": {"code": "en"}}
    values = [{"type": "body", "parameters": [{"type": "text", "text": "Ann"}]}]
    body: Json = {"messaging_product": "whatsapp", "to": person.wa_id, "type": "template"}
    assert await refusal(graph, number, body | {"template": filled}) == 132000
    assert (await send(graph, number, body | {"template": filled | {"components": values}}))[0] == 200
    template.state = "paused"
    assert await refusal(graph, number, body | {"template": filled | {"components": values}}) == 132015


async def test_a_number_and_a_pair_have_their_pace(graph: GraphDouble, number: Number, sheena: Person) -> None:
    graph.world.messages_a_second = 3
    for _ in range(3):
        await send(graph, number, HELLO)
    status, answer = await send(graph, number, HELLO)
    assert (status, answer["error"]["code"]) == (429, 130429)
    graph.world.messages_a_second, graph.world.burst = 80, 3
    assert await refusal(graph, number, HELLO) == 131056
    graph.pass_time(timedelta(seconds=7))
    assert (await send(graph, number, HELLO))[0] == 200
    assert await refusal(graph, number, HELLO) == 131056


def form(content: bytes, media_type: str) -> aiohttp.FormData:
    data = aiohttp.FormData({"messaging_product": "whatsapp"})
    data.add_field("file", io.BytesIO(content), filename="x", content_type=media_type)
    return data


async def test_files_are_checked_kept_and_sent_as_what_they_are(
    graph: GraphDouble, number: Number, sheena: Person
) -> None:
    async def upload(content: bytes, media_type: str) -> Any:
        path = f"{number.phone_number_id}/media"
        return (await ask(graph, number, "POST", path, data=form(content, media_type)))[1]

    assert (await upload(b"x", "image/gif"))["error"]["code"] == 100
    assert (await upload(bytes(5 * 2**20 + 1), "image/png"))["error"]["code"] == 131053
    assert (await upload(b"", "image/png"))["error"]["code"] == 131053
    media_id = (await upload(b"a picture", "image/png"))["id"]
    body: Json = {"messaging_product": "whatsapp", "to": sheena.wa_id}
    assert await refusal(graph, number, body | {"type": "video", "video": {"id": media_id}}) == 131053
    assert await refusal(graph, number, body | {"type": "audio", "audio": {"id": media_id, "caption": "x"}}) == 100
    assert (await send(graph, number, body | {"type": "image", "image": {"id": media_id, "caption": "x"}}))[0] == 200


async def test_a_file_has_an_address_for_minutes_and_for_its_number_alone(
    graph: GraphDouble, number: Number, sheena: Person
) -> None:
    _, media = await graph.person_sends_file(number, sheena, "document", "application/pdf", b"%PDF", filename="a.pdf")
    _, about = await ask(graph, number, "GET", media.id, params={"phone_number_id": number.phone_number_id})
    assert about["file_size"] == "4"

    async def download(token: str | None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession() as client, client.get(about["url"], headers=headers) as answer:
            return answer.status, await answer.read()

    assert await download(number.token) == (200, b"%PDF")
    assert (await download(None))[0] == 401
    assert (await download(graph.add_number().token))[0] == 401
    graph.pass_time(timedelta(minutes=6))
    assert (await download(number.token))[0] == 404
    other = graph.add_number(token=number.token)
    status, answer = await ask(graph, number, "GET", media.id, params={"phone_number_id": other.phone_number_id})
    assert (status, answer["error"]["error_subcode"]) == (400, 33)


async def test_only_what_was_received_can_be_marked_as_read(graph: GraphDouble, number: Number, sheena: Person) -> None:
    said = await graph.person_says(number, sheena, "and?")
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": said.id}
    assert (await send(graph, number, read | {"typing_indicator": {"type": "text"}}))[1] == {"success": True}
    assert graph.world.read == [(said.id, True)]
    assert await refusal(graph, number, read | {"message_id": "wamid.x"}) == 131009
    assert await refusal(graph, number, read | {"typing_indicator": {"type": "dance"}}) == 100


async def test_faults_come_before_or_after_the_message_was_taken(
    graph: GraphDouble, number: Number, sheena: Person
) -> None:
    graph.fail_next("messages", code=131016)
    assert (await send(graph, number, HELLO))[0] == 503
    assert graph.sent() == []
    for accepted in (False, True):
        graph.drop_next("messages", accepted=accepted)
        with pytest.raises(aiohttp.ClientError):
            await send(graph, number, HELLO)
        assert len(graph.sent()) == accepted
    released = graph.hold_next("messages", accepted=True)
    sending = asyncio.create_task(send(graph, number, HELLO))
    await graph.wait_for_sent(number, sheena, 2)
    assert not sending.done()
    released.set()
    assert (await sending)[0] == 200


@pytest.fixture
async def heard() -> AsyncIterator[tuple[str, list[tuple[bytes, str]]]]:
    """A webhook, and what came there with its signature."""
    requests: list[tuple[bytes, str]] = []

    async def take(request: web.Request) -> web.Response:
        requests.append((await request.read(), request.headers["X-Hub-Signature-256"]))
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/whatsapp", take)])
    async with serve(app) as url:
        yield f"{url}/whatsapp", requests


async def test_webhooks_are_signed_over_what_is_sent(heard: tuple[str, list[tuple[bytes, str]]]) -> None:
    url, requests = heard
    async with GraphDouble(webhook_url=url, app_secret="s3cret").running() as graph:
        number, person = graph.add_number(), graph.person(user_id="US.1", username="ann")
        said = await graph.person_says(number, person, "Grüße")
        assert said.delivery is not None
        assert said.delivery.status == 200
        await graph.business_writes(number, person, "I am on it")
    [(body, signature), (echo, _)] = requests
    assert signature == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert b"Gr\\u00fc\\u00dfe" in body
    [change] = json.loads(body)["entry"][0]["changes"]
    assert change["value"]["contacts"][0]["user_id"] == change["value"]["messages"][0]["from_user_id"] == "US.1"
    [change] = json.loads(echo)["entry"][0]["changes"]
    assert (change["field"], change["value"]["message_echoes"][0]["to"]) == ("smb_message_echoes", person.wa_id)


async def test_what_becomes_of_a_message_is_told_with_the_senders_own_words_for_it(
    heard: tuple[str, list[tuple[bytes, str]]],
) -> None:
    url, requests = heard
    async with GraphDouble(webhook_url=url, reports=("delivered",), refuses_late=True).running() as graph:
        number, person = graph.add_number(), graph.person()
        await graph.person_says(number, person, "hi")
        await send(graph, number, HELLO | {"biz_opaque_callback_data": "7"})
        await graph.reported_all()
        graph.pass_time(timedelta(hours=25))
        assert (await send(graph, number, HELLO))[0] == 200
        await graph.reported_all()
        pressed = {"type": "interactive"} | interactive("button", {"buttons": [BUTTON]})
        await graph.person_says(number, person, "hi")
        await send(graph, number, {"messaging_product": "whatsapp", "to": person.wa_id} | pressed)
        await graph.reported_all()
        await graph.person_presses(graph.sent()[-1], "Yes")
    values = [json.loads(body)["entry"][0]["changes"][0]["value"] for body, _ in requests]
    statuses = [status for value in values for status in value.get("statuses", [])]
    assert [status["status"] for status in statuses][:2] == ["delivered", "failed"]
    assert [status.get("biz_opaque_callback_data") for status in statuses][:2] == ["7", None]
    assert statuses[1]["errors"][0]["code"] == 131047
    assert values[-1]["messages"][0]["interactive"]["button_reply"] == BUTTON["reply"]
