"""A file that goes out with a message: from the store, opened, or settled when it is gone."""

from uuid import UUID

import pytest
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from konstruct.contracts.conversation import Delivered, DeliverRequest
from konstruct.db import Database
from konstruct.errors import ChannelUnavailable, Unavailable
from konstruct.files import keeping
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.messages import SentFile
from konstruct.ports import OutgoingFile
from konstruct.tables import Message
from konstruct.vault import Vault
from tests.support.doubles import KeptFiles, KeptWindows, RecordingMessenger
from tests.support.office import Office

FILE = OutgoingFile("terms.pdf", "application/pdf", b"%PDF-canary")


@pytest.fixture
def delivery(database: Database, vault: Vault, messenger: RecordingMessenger, store: KeptFiles) -> Delivery:
    return Delivery(database, vault, {"slack": messenger}, KeptWindows(), files=store)


async def answer(office: Office, store: KeptFiles) -> tuple[Accepted, UUID]:
    """With a file that is kept as all are."""
    asked = await office.say("Your terms?")
    [reply_id] = await office.answer(asked, "Here they are.")
    file_id = new_id()
    async with office.session() as session:
        message = await session.get_one(Message, (office.tenant_id, reply_id))
        assert message.contact_id is not None
        cipher = (await office.vault.ciphers(session, [message.contact_id]))[message.contact_id]
        sealed = cipher.seal_bytes(keeping.CONTENT, file_id, FILE.content)
        await store.put(keeping.store_key(office.tenant_id, file_id), sealed)
        keeping.enclose(session, cipher, message, file_id, SentFile(FILE.name, FILE.media_type, len(FILE.content)))
    return asked, reply_id


async def deliver(delivery: Delivery, office: Office, asked: Accepted, reply_id: UUID) -> Delivered:
    request = DeliverRequest(office.tenant_id, asked.conversation_id, [reply_id])
    delivered: Delivered = await ActivityEnvironment().run(delivery.deliver, request)
    return delivered


async def test_it_goes_along_opened(
    office: Office, delivery: Delivery, messenger: RecordingMessenger, store: KeptFiles
) -> None:
    assert await deliver(delivery, office, *await answer(office, store)) == Delivered("sent")
    assert messenger.files == [FILE]
    assert not any(b"canary" in content for content in store.kept.values())


async def test_a_send_that_certainly_failed_is_made_again_with_it(
    office: Office, delivery: Delivery, messenger: RecordingMessenger, store: KeptFiles
) -> None:
    asked, reply_id = await answer(office, store)
    messenger.troubles.append(ChannelUnavailable("It is away."))
    with pytest.raises(ChannelUnavailable):
        await deliver(delivery, office, asked, reply_id)
    assert await deliver(delivery, office, asked, reply_id) == Delivered("sent")
    assert messenger.files == [FILE, FILE]


async def test_nothing_is_sent_while_the_store_is_away(
    office: Office, delivery: Delivery, messenger: RecordingMessenger, store: KeptFiles
) -> None:
    asked, reply_id = await answer(office, store)
    store.is_away = True
    with pytest.raises(Unavailable):
        await deliver(delivery, office, asked, reply_id)
    assert (messenger.sent, (await office.message(reply_id)).state) == ([], "pending")
    store.is_away = False
    assert await deliver(delivery, office, asked, reply_id) == Delivered("sent")


async def test_one_whose_file_is_gone_fails_and_says_why(
    office: Office, delivery: Delivery, messenger: RecordingMessenger, store: KeptFiles
) -> None:
    asked, reply_id = await answer(office, store)
    store.kept.clear()
    assert await deliver(delivery, office, asked, reply_id) == Delivered("failed")
    message = await office.message(reply_id)
    assert (messenger.sent, message.state, message.detail) == ([], "failed", {"error": "file_gone"})
