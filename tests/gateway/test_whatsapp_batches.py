"""Meta batches, repeats and shuffles what it posts: whatever it does, each thing is taken once."""

import asyncio
import random
import secrets
from datetime import timedelta

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.client import Client

from gateway.whatsapp_events import WhatsAppEvents
from konstruct.db import Database
from konstruct.embedded.postgres import DATABASE, Postgres
from konstruct.limits import LocalLimiter
from konstruct.tables import Contact
from konstruct.vault import Vault
from tests.gateway.conftest import NewNumber, whatsapp_webhooks
from tests.support.relay import Relay
from tests.support.whatsapp_posts import Json, Number, post, posted


def person() -> tuple[str, str]:
    return str(random.randrange(10**10, 10**11)), f"US.{secrets.token_hex(8)}"


@pytest.mark.parametrize("seed", range(3))
async def test_merged_shuffled_and_tripled_it_is_the_same_set(
    hears_whatsapp: FastAPI, new_number: NewNumber, seed: int
) -> None:
    chance = random.Random(seed)
    numbers = [await new_number() for _ in range(2)]
    said: dict[str, set[str]] = {number.phone_number_id: set() for number in numbers}
    entries: list[Json] = []
    for place in range(40):
        number = chance.choice(numbers)
        wa_id, user_id = person()
        text = f"Message {place}"
        said[number.phone_number_id].add(text)
        entries.append(number.messages(number.text(text, wa_id=wa_id, user_id=user_id)))
    deliveries = entries * 3
    chance.shuffle(deliveries)
    posts = []
    while deliveries:
        size = chance.randint(2, 50)
        posts.append(posted(*deliveries[:size]))
        deliveries = deliveries[size:]

    answers = await asyncio.gather(*(post(hears_whatsapp, body) for body in posts))

    assert {answer.status for answer in answers} == {200}
    for number in numbers:
        messages = await number.office.messages()
        assert sorted(message.body or "" for message in messages) == sorted(said[number.phone_number_id])
        assert len(await number.office.conversations()) == len(said[number.phone_number_id])


async def test_one_change_may_hold_many_people_and_each_keeps_their_order(
    hears_whatsapp: FastAPI, number: Number
) -> None:
    people = [person() for _ in range(5)]
    messages = [
        number.text(f"{wa_id} says {turn}", wa_id=wa_id, user_id=user_id)
        for turn in range(4)
        for wa_id, user_id in people
    ]

    assert (await post(hears_whatsapp, posted(number.messages(*messages)))).status == 200
    kept = await number.office.messages()
    for wa_id, _ in people:
        theirs = sorted((message for message in kept if message.body and wa_id in message.body), key=lambda m: m.seq)
        assert [message.body for message in theirs] == [f"{wa_id} says {turn}" for turn in range(4)]


async def test_the_same_message_at_once_by_many_posts_is_one(hears_whatsapp: FastAPI, number: Number) -> None:
    wa_id, user_id = person()
    message = number.text("Only once", wa_id=wa_id, user_id=user_id)
    by_number = {**message, "from_user_id": ""}

    bodies = [posted(number.messages(message)), posted(number.messages(by_number))] * 5
    answers = await asyncio.gather(*(post(hears_whatsapp, body) for body in bodies))

    assert {answer.status for answer in answers} <= {200, 503}
    assert {(await post(hears_whatsapp, body)).status for body in bodies} == {200}
    assert len(await number.office.messages()) == 1
    assert len(await number.office.rows(Contact)) == 1


async def test_when_the_database_is_away_meta_is_told_to_deliver_again(
    vault: Vault, temporal_client: Client, number: Number
) -> None:
    away = Database(SecretStr("postgresql://konstruct_app:x@127.0.0.1:1/konstruct"))
    app = whatsapp_webhooks(WhatsAppEvents(away, vault, LocalLimiter(), temporal_client))

    assert (await post(app, posted(number.messages(number.text("Hello", wa_id="16505551234"))))).status == 503
    assert (await post(app, b"nonsense")).status == 503
    await away.close()


async def test_when_the_database_takes_all_and_says_nothing_meta_is_told_to_deliver_again(
    postgres: Postgres, vault: Vault, temporal_client: Client, number: Number
) -> None:
    way = Relay(str(postgres.sockets / ".s.PGSQL.5432"))
    await way.open()
    address = SecretStr(f"postgresql://konstruct_app@127.0.0.1:{way.own_port}/{DATABASE}")
    far = Database(address, pool_size=1, longest_statement=timedelta(seconds=1))
    app = whatsapp_webhooks(WhatsAppEvents(far, vault, LocalLimiter(), temporal_client))
    message = posted(number.messages(number.text("Hello", wa_id="16505551234")))
    try:
        assert (await post(app, posted(number.messages(number.text("First", wa_id="16505551234"))))).status == 200
        way.is_silent = True
        assert (await post(app, message)).status == 503
        way.is_silent = False
        assert (await post(app, message)).status == 200
    finally:
        await far.close()
        await way.cut()
    assert [each.body for each in await number.office.messages()] == ["First", "Hello"]


async def test_a_repetition_in_another_envelope_a_week_later_changes_nothing(
    hears_whatsapp: FastAPI, number: Number
) -> None:
    message = number.text("Late", wa_id="16505551234", timestamp="1749416383")
    other = number.text("Another", wa_id="16505559999")

    await post(hears_whatsapp, posted(number.messages(message)))
    await post(hears_whatsapp, posted(number.messages(other, message), number.messages(message)))

    assert [each.body for each in await number.office.messages()] == ["Late", "Another"]
