"""What of WhatsApp becomes a message, and how it reads."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

from konstruct import naming
from konstruct.messages import SentFile, files_of
from tests.gateway.conftest import NewNumber, Quarantine
from tests.support.whatsapp_posts import Json, Number, post, posted

SHAPES = {path.stem: path.read_text() for path in sorted(Path(__file__).with_name("whatsapp_shapes").glob("*.json"))}

READS_AS = {
    "text": "Does it come in another colour?",
    "text_of_number": "Hello from a number",
    "text_of_username": "Hello from a username",
    "image": "Taj Mahal\n\n[sent a photo]",
    "video": "[sent a video]",
    "audio": "[sent an audio file]",
    "voice": "[sent a voice message]",
    "document": "As agreed\n\n[sent a document: Offer.pdf]",
    "sticker": "[sent a sticker]",
    "location": "[shared a location: Philz Coffee, 101 Forest Ave, Palo Alto, 37.44221496582, -122.16165924072,"
    " https://philzcoffee.com/]",
    "contacts": "[shared a contact: Lucía Gómez, Google, +1 (983) 555-2319, lucia@example.com]",
    "button_reply": "Cancel",
    "list_reply": "Priority Mail (Next day)",
    "form_reply": "[filled in a form]\nsize: 54 cm\ndays: [1, 2]",
    "template_button": "Unsubscribe",
    "order": "Please gift-wrap\n[ordered from the catalogue]\n2 × di9ozbzfi4 at 30 USD",
    "reply": "[in reply to an earlier message]\n\nYes, that one",
    "forwarded": "[forwarded]\n\nLook at this",
    "product_inquiry": "[about the product di9ozbzfi4]\n\nIs this still available?",
    "from_advertisement": "[came here from: Chat with us, Succulents are here!, https://fb.me/3cr4]"
    "\n\nCan I get more info?",
    "unsupported": "[sent something that cannot be read here: poll]",
    "of_the_future": "[sent something that cannot be read here: hologram]",
}
SAYS_NOTHING = {
    "reaction", "reaction_removed", "of_group", "changed_number", "changed_user_id", "changed_identity",
    "user_id_update", "status", "status_failed", "errors", "edit", "revoke",
}  # fmt: skip
FILES = {
    "image": SentFile("photo.jpg", "image/jpeg", 0, "1003383421387256"),
    "video": SentFile("video.mp4", "video/mp4", 0, "2003383421387256"),
    "voice": SentFile("voice message.oga", "audio/ogg; codecs=opus", 0, "4003383421387256"),
    "document": SentFile("Offer.pdf", "application/pdf", 0, "5003383421387256"),
    "sticker": SentFile("sticker.webp", "image/webp", 0, "6003383421387256"),
}


def of(number: Number, shape: str) -> Json:
    """The entry of a recorded post, as one of this number."""
    text = SHAPES[shape].replace('"NUMBER"', f'"{number.phone_number_id}"').replace('"WABA"', f'"{number.waba_id}"')
    entry: Json = json.loads(text)["entry"][0]
    return entry


def test_every_shape_is_decided_upon() -> None:
    assert SHAPES.keys() == READS_AS.keys() | SAYS_NOTHING


@pytest.mark.parametrize("shape", READS_AS)
async def test_every_type_reads_as_one_text(
    hears_whatsapp: FastAPI, number: Number, quarantine: Quarantine, shape: str
) -> None:
    assert (await post(hears_whatsapp, posted(of(number, shape)))).status == 200

    [message] = await number.office.messages()
    assert message.body == READS_AS[shape]
    assert (message.direction, message.author, message.state) == ("inbound", "contact", "received")
    async with number.office.session() as session:
        assert message.contact_id
        cipher = (await number.office.vault.ciphers(session, [message.contact_id]))[message.contact_id]
    files = files_of(message, cipher)
    assert files == ([FILES[shape]] if shape in FILES else files)
    assert bool(files) == (shape in {*FILES, "audio"})
    assert await quarantine() == []


@pytest.mark.parametrize("shape", sorted(SAYS_NOTHING))
async def test_what_is_no_message_begins_nothing(
    hears_whatsapp: FastAPI, number: Number, quarantine: Quarantine, shape: str
) -> None:
    assert (await post(hears_whatsapp, posted(of(number, shape)))).status == 200

    assert await number.office.messages() == []
    assert await quarantine() == []


async def test_an_edit_and_a_revocation_change_what_was_said(hears_whatsapp: FastAPI, number: Number) -> None:
    await post(hears_whatsapp, posted(of(number, "text")))
    await post(hears_whatsapp, posted(of(number, "edit")))
    [message] = await number.office.messages()
    assert message.body == "Does it come in red?"

    await post(hears_whatsapp, posted(of(number, "revoke")))
    [message] = await number.office.messages()
    assert (message.body, message.state) == ("", "deleted")


async def test_what_was_edited_before_it_comes_is_taken_as_it_is_then(hears_whatsapp: FastAPI, number: Number) -> None:
    await post(hears_whatsapp, posted(of(number, "edit")))
    await post(hears_whatsapp, posted(of(number, "text")))
    [message] = await number.office.messages()
    assert (message.body, message.state) == ("Does it come in red?", "received")


async def test_what_was_revoked_before_it_comes_is_nobodys_to_answer(hears_whatsapp: FastAPI, number: Number) -> None:
    await post(hears_whatsapp, posted(of(number, "revoke")))
    await post(hears_whatsapp, posted(of(number, "text")))
    [message] = await number.office.messages()
    assert (message.body, message.state) == ("", "deleted")


async def test_a_message_that_comes_days_late_is_kept_with_when_it_was_written(
    hears_whatsapp: FastAPI, number: Number
) -> None:
    await post(hears_whatsapp, posted(of(number, "text")))

    [conversation] = await number.office.conversations()
    assert conversation.contact_said_at == datetime.fromtimestamp(1749416383, UTC)
    late = number.text("Since then", wa_id="16505551234", timestamp=str(1749416383 - 7 * 86_400))
    await post(hears_whatsapp, posted(number.messages(late)))
    [conversation] = await number.office.conversations()
    assert conversation.contact_said_at == datetime.fromtimestamp(1749416383, UTC)
    assert len(await number.office.messages()) == 2


async def test_a_time_from_the_future_counts_as_now(hears_whatsapp: FastAPI, number: Number) -> None:
    await post(
        hears_whatsapp, posted(number.messages(number.text("Soon", wa_id="16505551234", timestamp="9999999999")))
    )

    [conversation] = await number.office.conversations()
    assert conversation.contact_said_at
    assert conversation.contact_said_at < datetime.now(UTC)


@pytest.mark.parametrize("timestamp", ["", "soon", "17", None, -1, 1.5e300, "1749416383000", ["1749416383"]])
async def test_an_odd_time_is_none(hears_whatsapp: FastAPI, number: Number, timestamp: object) -> None:
    message = {**number.text("Whenever", wa_id="16505551234"), "timestamp": timestamp}

    assert (await post(hears_whatsapp, posted(number.messages(message)))).status == 200
    assert len(await number.office.messages()) == 1


async def test_text_that_postgres_would_not_take_is_mended_alone(hears_whatsapp: FastAPI, number: Number) -> None:
    odd = posted(number.messages(number.text("A", wa_id="16505551234"), number.text("B", wa_id="16505551234")))
    odd = odd.replace(b'"A"', rb'"A\u0000\ud800"')

    assert (await post(hears_whatsapp, odd)).status == 200
    assert [message.body for message in await number.office.messages()] == ["A?", "B"]


async def test_one_that_cannot_be_used_is_kept_aside_and_the_others_are_not(
    hears_whatsapp: FastAPI, number: Number, quarantine: Quarantine
) -> None:
    nobodys = number.text("Whose?")
    nameless = {**number.text("Which?", wa_id="16505551234"), "id": ""}
    good = number.text("Mine", wa_id="16505551234")

    assert (await post(hears_whatsapp, posted(number.messages(nobodys, nameless, good)))).status == 200
    assert [message.body for message in await number.office.messages()] == ["Mine"]
    kept = await quarantine()
    assert sorted(each.reason for each in kept) == [
        "A message of WhatsApp does not say who wrote it.",
        "A message of WhatsApp has no id that can be one.",
    ]
    assert not any(b"Mine" in each.body for each in kept)
    assert all(number.phone_number_id.encode() in each.body for each in kept)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "nested"),
    ],
)
async def test_a_signed_body_that_is_nothing_is_kept_aside(
    hears_whatsapp: FastAPI, quarantine: Quarantine, body: bytes, reason: str
) -> None:
    assert (await post(hears_whatsapp, body)).status == 200
    [kept] = await quarantine()
    assert kept.body == body
    assert reason in kept.reason


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'{"entry": 1}', b'{"entry": [null, 3, {"changes": [[]]}]}'])
async def test_a_signed_body_without_anything_in_it_is_taken(
    hears_whatsapp: FastAPI, quarantine: Quarantine, body: bytes
) -> None:
    assert (await post(hears_whatsapp, body)).status == 200
    assert await quarantine() == []


async def test_an_unknown_number_and_one_of_another_account_are_kept_aside(
    hears_whatsapp: FastAPI, number: Number, new_number: NewNumber, quarantine: Quarantine
) -> None:
    stranger = Number(number.office, "4242", number.waba_id)
    other = await new_number()
    mixed = Number(number.office, number.phone_number_id, other.waba_id)

    for whose in (stranger, mixed):
        body = posted(whose.messages(whose.text("Hello?", wa_id="16505551234")))
        assert (await post(hears_whatsapp, body)).status == 200
    assert [each.reason for each in await quarantine()] == [
        "This WhatsApp number is not connected to any tenant.",
        "This WhatsApp number is connected as one of another business account.",
    ]
    assert await number.office.messages() == []


async def test_who_wrote_is_called_by_the_name_in_their_profile(hears_whatsapp: FastAPI, number: Number) -> None:
    await post(hears_whatsapp, posted(of(number, "text")))

    [message] = await number.office.messages()
    assert message.contact_id is not None
    async with number.office.session() as session:
        assert await naming.name(session, number.office.vault, message.contact_id) == "Sheena Nelson"
