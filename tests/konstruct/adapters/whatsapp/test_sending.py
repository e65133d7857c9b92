"""The WhatsApp messenger against a Graph that checks forms and limits."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from konstruct.adapters import whatsapp
from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.adapters.whatsapp_errors import WINDOW_CLOSED
from konstruct.errors import (
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
)
from konstruct.identity import new_id
from konstruct.ports import ApprovalCard, Button, ChannelAccount, Messenger, OutgoingFile, Template, Thread
from tests.konstruct.adapters.whatsapp.place import outgoing, thread_with
from tests.support.graph_double import GraphDouble, Number, Person

JPEG = OutgoingFile("wheel.jpg", "image/jpeg", b"\xff\xd8 a picture")
PDF = OutgoingFile("in/voice.pdf", "application/pdf", b"%PDF-1.7" + bytes(2 * 2**20))
VOICE = OutgoingFile("note.ogg", "audio/ogg; codecs=opus", b"OggS")
TABLE = OutgoingFile("prices.csv", "text/csv", b"a,b\n1,2\n")
BUTTONS = (Button("more", "Tell me more"), Button("person", "Talk to a real human person"))


async def test_a_reply_reaches_the_person_with_our_id_and_without_a_preview(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    message = outgoing("See https://e.example")
    wamid = await messenger.send(account, thread, message)
    [sent] = graph.sent()
    assert (sent.id, sent.text, sent.opaque) == (wamid, message.text, str(message.message_id))
    assert sent.body["text"]["preview_url"] is False
    assert sent.body["to"] == "16505551234"


async def test_a_person_whose_number_is_not_told_is_written_to_by_their_id(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, number: Number
) -> None:
    person = graph.person(None, "Ann", user_id="US.13491208655302741918", username="ann")
    await graph.person_says(number, person, "hello")
    await messenger.send(account, thread_with(number, person), outgoing())
    [sent] = graph.sent(number, person)
    assert sent.body["recipient"] == "US.13491208655302741918"
    assert "to" not in sent.body


async def test_a_reply_names_the_message_that_it_answers(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    await messenger.send(account, thread, outgoing(reply_to="wamid.HBgL1"))
    assert graph.sent()[0].body["context"] == {"message_id": "wamid.HBgL1"}


async def test_every_part_of_a_long_answer_is_within_whatsapps_limits(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    headings = "".join(f"## Point {number}\n\nIt is *so* & not <otherwise> 👍🏽.\n\n" for number in range(200))
    parts = messenger.split(headings + "```python\n" + "if a < b: pass\n" * 500 + "```\n\n" + "A sentence. " * 1000)
    for part in parts:
        await messenger.send(account, thread, outgoing(part))
    assert len(graph.sent()) == len(parts) > 5


async def test_no_link_is_previewed(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    """What fetches a preview tells whoever is asked what stands in the address."""
    await messenger.send(account, thread, outgoing("Look: ![x](https://evil.example/c?q=canary)"))
    [sent] = graph.sent()
    assert sent.body["text"]["preview_url"] is False


async def test_buttons_stand_below_a_short_text(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    await messenger.send(account, thread, outgoing("Anything else?", buttons=BUTTONS))
    [sent] = graph.sent()
    titles = [button["reply"]["title"] for button in sent.body["interactive"]["action"]["buttons"]]
    assert (sent.text, titles) == ("Anything else?", ["Tell me more", "Talk to a real…"])


@pytest.mark.parametrize(("buttons", "opens"), [(BUTTONS, "☰"), (BUTTONS[1:], "Talk to a real…")])
async def test_a_long_text_has_its_buttons_in_a_list(
    graph: GraphDouble,
    messenger: Messenger,
    account: ChannelAccount,
    thread: Thread,
    buttons: tuple[Button, ...],
    opens: str,
) -> None:
    text = "word " * 800
    await messenger.send(account, thread, outgoing(text, buttons=buttons))
    [sent] = graph.sent()
    action = sent.body["interactive"]["action"]
    assert (sent.text, action["button"]) == (text, opens)
    assert [row["id"] for row in action["sections"][0]["rows"]] == [button.id for button in buttons]


@pytest.mark.parametrize(("count", "shown"), [(5, 5), (12, 10)])
async def test_more_buttons_than_whatsapp_takes_are_a_list_of_as_many_as_it_takes(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread, count: int, shown: int
) -> None:
    many = tuple(Button(str(number), f"Choice {number}") for number in range(count))
    await messenger.send(account, thread, outgoing(buttons=many))
    [section] = graph.sent()[0].body["interactive"]["action"]["sections"]
    assert [row["id"] for row in section["rows"]] == [str(number) for number in range(shown)]


@pytest.mark.parametrize(
    ("file", "kind", "name"),
    [(JPEG, "image", None), (PDF, "document", "in_voice.pdf"), (TABLE, "document", "prices.csv")],
)
async def test_a_file_goes_with_the_text_below_it(
    graph: GraphDouble,
    messenger: Messenger,
    account: ChannelAccount,
    thread: Thread,
    file: OutgoingFile,
    kind: str,
    name: str | None,
) -> None:
    message = outgoing("Here it is", file=file, reply_to="wamid.HBgL1")
    wamid = await messenger.send(account, thread, message)
    [sent] = graph.sent()
    content = sent.body[kind]
    assert (sent.id, sent.opaque, content["caption"]) == (wamid, str(message.message_id), "Here it is")
    assert content.get("filename") == name
    assert graph.world.media[content["id"]].content == file.content
    assert sent.body["context"] == {"message_id": "wamid.HBgL1"}


@pytest.mark.parametrize(("file", "text"), [(VOICE, "Listen"), (JPEG, "word " * 300)])
async def test_a_text_that_cannot_stand_below_a_file_follows_it_and_carries_our_id(
    graph: GraphDouble,
    messenger: Messenger,
    account: ChannelAccount,
    thread: Thread,
    file: OutgoingFile,
    text: str,
) -> None:
    message = outgoing(text, file=file, buttons=BUTTONS)
    wamid = await messenger.send(account, thread, message)
    first, second = graph.sent()
    assert first.opaque is None
    assert (second.id, second.opaque, second.text) == (wamid, str(message.message_id), text)


async def test_a_voice_without_words_is_one_message(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    message = outgoing("", file=VOICE)
    await messenger.send(account, thread, message)
    assert [sent.opaque for sent in graph.sent()] == [str(message.message_id)]


async def test_a_file_that_took_its_time_is_sent_by_the_next_attempt_and_uploaded_once(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = outgoing("Here it is", file=JPEG)
    with monkeypatch.context() as impatient:
        impatient.setattr(whatsapp, "SHOWS_WITHIN", timedelta(0))
        with pytest.raises(ChannelUnavailable):
            await messenger.send(account, thread, message)
    assert graph.sent() == []
    await messenger.send(account, thread, message)
    assert len(graph.sent()) == len(graph.calls_of("media")) == 1


async def test_a_file_is_not_sent_again_because_its_text_has_to_wait(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    message = outgoing("Listen", file=VOICE)
    graph.world.burst = 1
    with pytest.raises(ChannelRateLimited):
        await messenger.send(account, thread, message)
    graph.world.burst = 45
    await messenger.send(account, thread, message)
    await messenger.send(account, thread, outgoing("Listen", file=VOICE))
    assert [sent.body["type"] for sent in graph.sent()] == ["audio", "text"] * 2


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (OutgoingFile("a.zip", "application/zip", b"PK"), "media_type"),
        (OutgoingFile("a.jpg", "image/jpeg", bytes(5 * 2**20 + 1)), "media_size"),
    ],
)
async def test_a_file_that_whatsapp_does_not_take_is_not_uploaded(
    graph: GraphDouble,
    messenger: Messenger,
    account: ChannelAccount,
    thread: Thread,
    file: OutgoingFile,
    code: str,
) -> None:
    with pytest.raises(ChannelRefused) as refusal:
        await messenger.send(account, thread, outgoing(file=file))
    assert (refusal.value.code, graph.calls_of("media")) == (code, [])


async def test_an_upload_that_breaks_is_made_again(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    graph.drop_next("media")
    with pytest.raises(ChannelUnavailable):
        await messenger.send(account, thread, outgoing(file=JPEG))


async def test_outside_of_the_window_only_a_template_gets_through(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, thread: Thread, number: Number
) -> None:
    graph.approve_template(number, "come_back", "de", places=1)
    graph.pass_time(timedelta(hours=24, seconds=1))
    with pytest.raises(ChannelRefused, match="24 hours") as refusal:
        await messenger.send(account, thread, outgoing())
    assert refusal.value.code == WINDOW_CLOSED
    template = Template("come_back", "de", ("Ann\nLee",))
    message = outgoing(template=template, file=JPEG, buttons=BUTTONS)
    await messenger.send(account, thread, message)
    [sent] = graph.sent()
    [component] = sent.body["template"]["components"]
    assert (sent.opaque, component["parameters"]) == (str(message.message_id), [{"type": "text", "text": "Ann Lee"}])


async def test_a_template_that_is_not_approved_is_refused_with_a_sentence(
    messenger: Messenger, account: ChannelAccount, thread: Thread
) -> None:
    with pytest.raises(ChannelRefused, match="no such template") as refusal:
        await messenger.send(account, thread, outgoing(template=Template("unheard_of", "en")))
    assert refusal.value.code == "132001"


async def test_thinking_marks_the_latest_message_as_read_and_shows_that_somebody_types(
    graph: GraphDouble, messenger: Messenger, account: ChannelAccount, number: Number, sheena: Person
) -> None:
    said = await graph.person_says(number, sheena, "and?")
    thread = thread_with(number, sheena, said.id)
    await messenger.show_thinking(account, thread)
    assert graph.world.read == [(said.id, True)]
    await messenger.show_idle(account, thread)
    assert len(graph.calls) == 1


async def test_what_only_decorates_never_fails_and_is_left_when_it_hangs(
    graph: GraphDouble, session: aiohttp.ClientSession, account: ChannelAccount, number: Number, sheena: Person
) -> None:
    messenger = WhatsAppMessenger(session, graph.api_url, cosmetic_time_limit=timedelta(seconds=0.2))
    await messenger.show_thinking(account, thread_with(number, sheena))
    assert graph.calls == []
    thread = thread_with(number, sheena, "wamid.of_nobody")
    await messenger.show_thinking(account, thread)
    graph.drop_next("read")
    await messenger.show_thinking(account, thread)
    graph.hold_next("read")
    async with asyncio.timeout(5):
        await messenger.show_thinking(account, thread)
    account.secrets.clear()
    await messenger.show_thinking(account, thread)


async def test_approvals_are_refused_with_a_sentence_that_says_where_to(
    messenger: Messenger, account: ChannelAccount
) -> None:
    card = ApprovalCard(new_id(), "f", "Ada", "refund", "", "{}", datetime.now(UTC))
    with pytest.raises(ChannelRefused, match="Slack channel"):
        await messenger.show_approval(account, "C1", card)
    with pytest.raises(ChannelRefused, match="REST API"):
        await messenger.renew_approval(account, "C1", "1", card)


async def test_neither_what_is_said_nor_the_token_is_logged(
    messenger: Messenger, account: ChannelAccount, thread: Thread, number: Number, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await messenger.send(account, thread, outgoing("a confidence"))
    assert "confidence" not in caplog.text
    assert number.token not in caplog.text
