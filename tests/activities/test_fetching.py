"""What is sent along: fetched once, kept sealed, settled in words where it cannot be had, and gone when it must be."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from temporalio.testing import ActivityEnvironment

from activities.fetching import Fetching, Removing
from activities.opening import LONGEST_TEXT, Opening
from konstruct import contacts, revising
from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.contracts.conversation import FetchFilesRequest
from konstruct.db import Database
from konstruct.errors import (
    BadInput,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConnectionDead,
    Misconfigured,
    Unavailable,
)
from konstruct.file_ports import Heard
from konstruct.files import keeping
from konstruct.inbox import Accepted
from konstruct.messages import SentFile
from konstruct.models import prices
from konstruct.tables import Connection, Conversation, File, FileRemoval, Message, Usage
from konstruct.vault import Vault
from tests.support.doubles import GivenFiles, KeptFiles
from tests.support.months import holds, ledger, plan, spend_all, spent
from tests.support.office import REFUSING, Office
from tests.support.pictures import picture, size_of

VOICE = b"OggS" + b"\1" * 50


@dataclass
class Listener:
    """Hears the same in everything, or fails."""

    hears: str | Exception = "I want my money back."
    name: str = "openai/whisper-1"
    seconds: Decimal | None = Decimal(30)

    async def transcribe(self, name: str, media_type: str, content: bytes) -> Heard:
        if isinstance(self.hears, Exception):
            raise self.hears
        return Heard(self.hears, self.seconds)


@pytest.fixture
def channel() -> GivenFiles:
    return GivenFiles()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def fetching(database: Database, vault: Vault, channel: GivenFiles, store: KeptFiles, listener: Listener) -> Fetching:
    opening = Opening(SubprocessReader(), SubprocessPictures(), listener)
    return Fetching(database, vault, {"slack": channel}, store, opening)


async def fetch(fetching: Fetching, office: Office, asked: Accepted) -> None:
    request = FetchFilesRequest(office.tenant_id, asked.conversation_id)
    await ActivityEnvironment().run(fetching.fetch_files, request)


async def send(
    office: Office,
    channel: GivenFiles,
    *contents: bytes | Exception,
    root: str = "1.0",
    contact: str = "U1",
    external_id: str | None = None,
) -> Accepted:
    files = []
    for place, content in enumerate(contents):
        reference = f"ref-{len(channel.files)}"
        channel.files[reference] = content
        files.append(SentFile(f"file-{place}.bin", "application/octet-stream", 10, reference))
    return await office.say("Look", files=tuple(files), root=root, contact=contact, external_id=external_id)


async def is_untrusted(office: Office, asked: Accepted) -> bool:
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        return conversation.untrusted_at is not None


async def remove(office: Office, store: KeptFiles) -> int:
    return await Removing(office.database, store).run(100)


async def test_a_picture_is_kept_small_and_sealed(
    office: Office, fetching: Fetching, channel: GivenFiles, store: KeptFiles, vault: Vault
) -> None:
    asked = await send(office, channel, picture(size=(3_000, 2_000)))
    await fetch(fetching, office, asked)
    [file] = await office.rows(File)
    assert (file.state, file.media_type, file.error) == ("kept", "image/jpeg", None)
    [(key, sealed)] = store.kept.items()
    assert key == f"{office.tenant_id}/{file.id}"
    assert b"JFIF" not in sealed
    async with office.session() as session:
        cipher = (await vault.ciphers(session, [file.contact_id]))[file.contact_id]
    assert size_of(cipher.open_bytes(keeping.CONTENT, file.id, sealed)) == (1_568, 1_045)
    assert await is_untrusted(office, asked)


async def test_of_a_document_the_beginning_is_kept_in_words_sealed(
    office: Office, fetching: Fetching, channel: GivenFiles, vault: Vault
) -> None:
    asked = await send(office, channel, b"# Contract\n\n" + b"canary clause. " * 3_000)
    await fetch(fetching, office, asked)
    [file] = await office.rows(File)
    assert file.state == "kept"
    assert file.sealed_text
    assert b"canary" not in file.sealed_text
    async with office.session() as session:
        cipher = (await vault.ciphers(session, [file.contact_id]))[file.contact_id]
    text = cipher.open(keeping.TEXT, file.id, file.sealed_text)
    assert text.startswith("# Contract\ncanary clause.")
    assert text.endswith("[… the rest of the document is left out …]")
    assert len(text) < LONGEST_TEXT + 100
    assert await is_untrusted(office, asked)


async def test_what_is_said_by_voice_is_the_contacts_own(
    office: Office, fetching: Fetching, channel: GivenFiles
) -> None:
    asked = await send(office, channel, VOICE)
    await fetch(fetching, office, asked)
    [file] = await office.rows(File)
    assert (file.state, file.media_type) == ("kept", "audio/ogg")
    assert not await is_untrusted(office, asked)


@pytest.mark.parametrize(
    ("content", "state", "error"),
    [
        (ChannelRefused("it is larger than 25 MB", "too_big"), "refused", "it is larger than 25 MB"),
        (ChannelRefused("The file is gone.", "gone"), "failed", "The file is gone."),
        (b"\0\0\0\x18ftypisom" + b"\0" * 30, "refused", "films cannot be looked at"),
        (b"PK\x03\x04 and no more", "refused", "The file is damaged or was cut off; upload it again."),
        (b"\x89PNG\r\n\x1a\n and no more", "refused", "it is no picture of a kind that can be looked at"),
        (b"", "refused", "The file is empty."),
        (b"RIFF\0\0\0\0WAVE" + b"\0" * 25_000_000, "refused", "it is larger than 25 MB"),
        (b"\xff\xd8\xff" + b"\0" * 20_000_000, "refused", "it is larger than 20 MB"),
    ],
)
async def test_what_cannot_be_had_is_settled_with_the_reason(
    office: Office, fetching: Fetching, channel: GivenFiles, content: bytes | Exception, state: str, error: str
) -> None:
    asked = await send(office, channel, content)
    await fetch(fetching, office, asked)
    [file] = await office.rows(File)
    assert (file.state, file.error) == (state, error)
    assert file.settled_at


async def test_voice_that_nobody_can_listen_to_is_told(
    office: Office, database: Database, vault: Vault, channel: GivenFiles, store: KeptFiles
) -> None:
    deaf = Fetching(database, vault, {"slack": channel}, store, Opening(SubprocessReader(), SubprocessPictures()))
    asked = await send(office, channel, VOICE)
    await fetch(deaf, office, asked)
    assert [file.error for file in await office.rows(File)] == ["voice messages cannot be listened to here"]
    assert store.kept == {}


async def test_voice_for_which_no_budget_is_left_is_kept_for_people(
    office: Office, fetching: Fetching, channel: GivenFiles, listener: Listener, store: KeptFiles
) -> None:
    asked = await send(office, channel, VOICE)
    await spend_all(office, asked)
    await fetch(fetching, office, asked)
    [file] = await office.rows(File)
    assert (file.state, file.media_type, file.sealed_text) == ("kept", "audio/ogg", None)
    assert len(store.kept) == 1
    assert len(await office.rows(Usage)) == 1


async def test_what_listening_costs_is_held_before_and_counted_after(
    office: Office, fetching: Fetching, channel: GivenFiles
) -> None:
    await plan(office, business="5")
    await fetch(fetching, office, await send(office, channel, VOICE))
    assert await holds(office) == []
    assert (await spent(office))["business"] == await ledger(office) > 0


@pytest.mark.parametrize(
    ("hears", "error"),
    [(" \n", "nothing is said in it"), (BadInput("No speech."), "it could not be understood as speech")],
)
async def test_voice_without_words_is_told(
    office: Office, fetching: Fetching, channel: GivenFiles, listener: Listener, hears: str | Exception, error: str
) -> None:
    listener.hears = hears
    await fetch(fetching, office, await send(office, channel, VOICE))
    assert [file.error for file in await office.rows(File)] == [error]


@pytest.mark.parametrize(
    ("hears", "outcome", "error", "cost"),
    [
        ("Hello", "ok", None, Decimal("0.003")),
        (BadInput("No speech."), "failed", "BadInput", 0),
        (Misconfigured("No key."), "failed", "Misconfigured", 0),
    ],
)
async def test_what_a_model_listened_to_is_in_the_usage(
    office: Office,
    fetching: Fetching,
    channel: GivenFiles,
    listener: Listener,
    hears: str | Exception,
    outcome: str,
    error: str | None,
    cost: Decimal,
) -> None:
    listener.hears = hears
    await fetch(fetching, office, await send(office, channel, VOICE, b"Words"))
    [used] = await office.rows(Usage)
    assert (used.provider, used.model, used.purpose) == ("openai", "whisper-1", "speech")
    assert (used.outcome, used.error, used.input_tokens, used.cost) == (outcome, error, 0, cost)
    assert (used.price_version, used.is_price_assumed, used.estimated) == (prices.VERSION, False, False)
    assert len(await office.events("model.called")) == 1


async def test_speech_whose_length_nobody_tells_costs_what_it_can_be_at_most(
    office: Office, fetching: Fetching, channel: GivenFiles, listener: Listener
) -> None:
    listener.seconds, listener.name = None, "openai/nobody-lists-this"
    await fetch(fetching, office, await send(office, channel, VOICE.ljust(45_000, b"\1")))
    [used] = await office.rows(Usage)
    assert (used.cost, used.estimated, used.is_price_assumed) == (Decimal("0.006"), True, True)


async def test_what_a_model_could_not_be_asked_for_is_in_the_usage_each_time(
    office: Office, fetching: Fetching, channel: GivenFiles, listener: Listener
) -> None:
    asked = await send(office, channel, VOICE)
    listener.hears = Unavailable("It is away.")
    with pytest.raises(Unavailable):
        await fetch(fetching, office, asked)
    listener.hears = "Hello"
    await fetch(fetching, office, asked)
    assert sorted((used.outcome, used.error) for used in await office.rows(Usage)) == [
        ("failed", "Unavailable"),
        ("ok", None),
    ]


async def test_credentials_that_are_refused_mark_the_connection(
    office: Office, fetching: Fetching, channel: GivenFiles
) -> None:
    death = ConnectionDead("The token was revoked.", "token_revoked")
    await fetch(fetching, office, await send(office, channel, death, death))
    assert {(file.state, file.error) for file in await office.rows(File)} == {("failed", "The token was revoked.")}
    [connection] = await office.rows(Connection)
    assert (connection.status, connection.status_reason) == ("revoked", "token_revoked")
    assert len(await office.events("connection.revoked")) == 1


async def test_what_is_given_up_is_settled(office: Office, fetching: Fetching, channel: GivenFiles) -> None:
    asked = await send(office, channel, b"Words")
    request = FetchFilesRequest(office.tenant_id, asked.conversation_id)
    await ActivityEnvironment().run(fetching.give_up_files, request)
    assert [(file.state, file.error) for file in await office.rows(File)] == [("failed", keeping.NOT_IN_TIME)]


async def test_a_channel_without_a_source_is_told(office: Office, database: Database, vault: Vault) -> None:
    nowhere = Fetching(database, vault, {}, KeptFiles(), Opening(SubprocessReader(), SubprocessPictures()))
    await fetch(nowhere, office, await send(office, GivenFiles(), b"x"))
    assert [file.error for file in await office.rows(File)] == ["files of this channel cannot be fetched"]


@pytest.mark.parametrize(
    "trouble", [ChannelUnavailable("It is away."), ChannelRateLimited("Slowly.", timedelta(seconds=3))]
)
async def test_trouble_that_passes_holds_up_no_other_file_and_what_was_fetched_is_not_fetched_again(
    office: Office, fetching: Fetching, channel: GivenFiles, trouble: Exception
) -> None:
    asked = await send(office, channel, trouble, b"Words")
    with pytest.raises(type(trouble)):
        await fetch(fetching, office, asked)
    assert [file.state for file in sorted(await office.rows(File), key=lambda file: file.position)] == [
        "waiting",
        "kept",
    ]
    await fetch(fetching, office, asked)
    assert {file.state for file in await office.rows(File)} == {"kept"}
    assert channel.asked == ["ref-0", "ref-1", "ref-0"]


async def test_a_store_that_is_away_leaves_the_file_waiting(
    office: Office, fetching: Fetching, channel: GivenFiles, store: KeptFiles
) -> None:
    asked = await send(office, channel, b"Words")
    store.is_away = True
    with pytest.raises(Unavailable):
        await fetch(fetching, office, asked)
    store.is_away = False
    await fetch(fetching, office, asked)
    assert [file.state for file in await office.rows(File)] == ["kept"]


async def test_the_same_again_is_kept_once_for_a_contact_and_apart_for_others(
    office: Office, fetching: Fetching, channel: GivenFiles, store: KeptFiles
) -> None:
    for root, contact in (("1.0", "U1"), ("2.0", "U1"), ("3.0", "U2")):
        asked = await send(office, channel, b"The same words", root=root, contact=contact)
        await fetch(fetching, office, asked)
        assert await is_untrusted(office, asked)
    first, again, other = sorted(await office.rows(File), key=lambda file: file.created_at)
    assert first.object_id == again.object_id == first.id
    assert first.digest == again.digest != other.digest
    assert first.sealed_text == again.sealed_text
    assert len(store.kept) == 2


async def test_what_is_taken_back_goes_once_nobody_shares_it_however_long_the_store_is_away(
    office: Office, fetching: Fetching, channel: GivenFiles, store: KeptFiles
) -> None:
    for external_id in ("m1", "m2"):
        await fetch(fetching, office, await send(office, channel, b"The same words", external_id=external_id))

    async def take_back(external_id: str) -> None:
        async with office.session() as session:
            await revising.remove(session, office.vault, office.ref, external_id)

    await take_back("m1")
    await remove(office, store)
    assert len(store.kept) == 1
    await take_back("m2")
    assert await office.rows(File) == []
    store.is_away = True
    await remove(office, store)
    assert len(await office.rows(FileRemoval)) == 1
    store.is_away = False
    await remove(office, store)
    assert (store.kept, await office.rows(FileRemoval)) == ({}, [])


async def test_what_is_taken_back_while_it_is_fetched_goes_again(
    office: Office, fetching: Fetching, channel: GivenFiles, store: KeptFiles, vault: Vault
) -> None:
    asked = await send(office, channel, b"Words", external_id="m1")
    async with office.session() as session:
        [task] = await keeping.waiting(session, vault, asked.conversation_id)
        await revising.remove(session, office.vault, office.ref, "m1")
    [removal] = await office.rows(FileRemoval)
    async with office.session() as session:
        assert await keeping.due_removals(session) == []
        await keeping.note_removed(session, [removal.id])
    async with office.session() as session:
        await keeping.keep(session, task, "digest", keeping.Content("text/plain", 5, "Words"))
    async with office.session() as session:
        assert await keeping.due_removals(session) == [task.file_id]


async def test_a_contact_who_is_erased_leaves_no_file(
    office: Office, fetching: Fetching, channel: GivenFiles, store: KeptFiles
) -> None:
    await fetch(fetching, office, await send(office, channel, b"Mine", picture()))
    await fetch(fetching, office, await send(office, channel, b"Not mine", contact="U2", root="2.0"))
    async with office.session() as session:
        found = await contacts.find(session, "U1")
        assert await keeping.count_of(session, found.contact_id) == 2
        await contacts.erase(session, office.tenant_id, found.contact_id, actor="test")
    await remove(office, store)
    [left] = await office.rows(File)
    assert list(store.kept) == [f"{office.tenant_id}/{left.id}"]
    assert left.contact_id != found.contact_id


async def test_what_nobody_can_fetch_any_more_is_not_waited_for(
    office: Office, fetching: Fetching, channel: GivenFiles
) -> None:
    asked = await send(office, channel, b"Words")
    async with office.session() as session:
        message = await session.get_one(Message, (office.tenant_id, asked.message_id))
        message.sealed_files = None
    await fetch(fetching, office, asked)
    assert [file.state for file in await office.rows(File)] == ["failed"]


async def test_a_message_over_a_limit_has_nothing_fetched(office: Office) -> None:
    await office.say("Look", files=(SentFile("a.pdf", reference="ref"),), limiter=REFUSING)
    assert await office.rows(File) == []
