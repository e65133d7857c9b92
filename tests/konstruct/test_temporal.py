import asyncio
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from konstruct import temporal
from konstruct.contracts.conversation import DELIVER_MESSAGE, ConversationState, DeliverMessage, ThinkRequest
from konstruct.errors import KeyMissing, Misconfigured
from konstruct.identity import ConversationId, MessageId
from konstruct.inbox import Accepted
from konstruct.payloads import EncryptingCodec, data_converter
from konstruct.settings import Settings

OLD, NEW = (SecretStr(Fernet.generate_key().decode()) for _ in range(2))
REQUEST = ThinkRequest(uuid4(), uuid4(), uuid4(), [uuid4(), uuid4()])
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"canary"')


async def test_a_contract_comes_back_as_it_went() -> None:
    converter = data_converter((NEW,))
    [payload] = await converter.encode([REQUEST])
    assert await converter.decode([payload], [ThinkRequest]) == [REQUEST]


async def test_nothing_of_a_payload_can_be_read() -> None:
    [payload] = await data_converter((NEW,)).encode([REQUEST])
    assert set(payload.metadata) == {"encoding", "key"}
    for part in (str(REQUEST.tenant_id), "tenant_id", "message_ids", "json/plain"):
        assert part.encode() not in payload.SerializeToString()


async def test_the_same_content_is_never_sealed_alike() -> None:
    codec = EncryptingCodec((NEW,))
    first, second = await codec.encode([PLAIN, PLAIN])
    assert first.data != second.data


async def test_nothing_of_a_failure_can_be_read() -> None:
    converter = data_converter((NEW,))
    failure = Failure()
    try:
        try:
            raise ValueError("canary-cause")
        except ValueError as error:
            raise ApplicationError("canary-message", "canary-detail", type="Broken") from error
    except ApplicationError as error:
        await converter.encode_failure(error, failure)

    assert b"canary" not in failure.SerializeToString()
    assert b"test_temporal.py" not in failure.SerializeToString()
    decoded = await converter.decode_failure(failure)
    assert isinstance(decoded, ApplicationError)
    assert (decoded.message, list(decoded.details), decoded.type) == ("canary-message", ["canary-detail"], "Broken")


async def test_older_keys_still_open_and_the_newest_seals() -> None:
    old, both, new = (EncryptingCodec(keys) for keys in ((OLD,), (NEW, OLD), (NEW,)))
    assert await both.decode(await old.encode([PLAIN])) == [PLAIN]
    assert await new.decode(await both.encode([PLAIN])) == [PLAIN]


async def test_a_payload_of_a_key_that_is_gone_is_an_error() -> None:
    payloads = await EncryptingCodec((OLD,)).encode([PLAIN])
    with pytest.raises(KeyMissing, match="not in KONSTRUCT_ENCRYPTION_KEYS"):
        await EncryptingCodec((NEW,)).decode(payloads)


async def test_what_was_never_sealed_is_left_as_it_is() -> None:
    assert await EncryptingCodec((NEW,)).decode([PLAIN]) == [PLAIN]


def test_there_is_no_codec_without_a_key() -> None:
    with pytest.raises(Misconfigured, match="KONSTRUCT_ENCRYPTION_KEYS is empty"):
        EncryptingCodec(())


async def test_a_message_starts_its_conversation_once_and_the_server_can_read_nothing(
    temporal_client: Client, settings: Settings
) -> None:
    tenant_id, accepted = uuid4(), Accepted(ConversationId(uuid4()), MessageId(uuid4()), is_new=True)
    for _ in range(2):
        await temporal.notify(temporal_client, tenant_id, accepted)

    handle = temporal_client.get_workflow_handle(temporal.workflow_id(tenant_id, accepted.conversation_id))
    history = await handle.fetch_history()
    await handle.terminate()
    started, *later = history.events
    signals = [
        event.workflow_execution_signaled_event_attributes
        for event in later
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    assert [signal.signal_name for signal in signals] == [DELIVER_MESSAGE, DELIVER_MESSAGE]
    attributes = started.workflow_execution_started_event_attributes
    converter = data_converter(settings.encryption_keys)
    assert await converter.decode(list(attributes.input.payloads), [ConversationState]) == [
        ConversationState(tenant_id, accepted.conversation_id)
    ]
    assert await converter.decode(list(signals[0].input.payloads), [DeliverMessage]) == [
        DeliverMessage(accepted.message_id)
    ]
    assert str(accepted.message_id).encode() not in b"".join(event.SerializeToString() for event in history.events)
    assert attributes.priority.fairness_key == str(tenant_id)


async def test_a_repetition_and_a_silent_refusal_wake_nobody(temporal_client: Client) -> None:
    tenant_id, conversation = uuid4(), ConversationId(uuid4())
    for accepted in (
        Accepted(conversation, MessageId(uuid4()), is_new=False),
        Accepted(conversation, MessageId(uuid4()), is_new=True, is_refused=True),
    ):
        await temporal.notify(temporal_client, tenant_id, accepted)
    with pytest.raises(RPCError) as raised:
        await temporal_client.get_workflow_handle(temporal.workflow_id(tenant_id, conversation)).describe()
    assert raised.value.status is RPCStatusCode.NOT_FOUND


async def test_stopping_a_silent_conversation_is_no_error(temporal_client: Client) -> None:
    await temporal.stop_turn(temporal_client, uuid4(), uuid4())


async def test_a_message_is_kept_when_temporal_is_away(settings: Settings) -> None:
    away = await temporal.connect(settings.model_copy(update={"temporal_address": "127.0.0.1:1"}))
    accepted = Accepted(ConversationId(uuid4()), MessageId(uuid4()), is_new=True)
    await temporal.notify(away, uuid4(), accepted)


async def test_whoever_sent_a_message_does_not_wait_for_a_temporal_that_hangs(settings: Settings) -> None:
    callers: list[asyncio.StreamWriter] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer)

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        hanging = await temporal.connect(settings.model_copy(update={"temporal_address": f"127.0.0.1:{port}"}))
        accepted = Accepted(ConversationId(uuid4()), MessageId(uuid4()), is_new=True)
        await temporal.notify(hanging, uuid4(), accepted)
        # It goes on by itself, until the time for it is over.
        still = set(temporal._telling)
        assert still
        await asyncio.gather(*still)
        assert callers
        for each in callers:
            each.transport.abort()
