"""Upkeep: what lies about is signalled, once in a while, and one failure does not hold up the rest."""

from datetime import timedelta

from sqlalchemy import update
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.fetching import Removing
from activities.upkeep import Upkeep
from konstruct import temporal, unsettled
from konstruct.contracts.conversation import DELIVER_MESSAGE, SEND_NOTICE, DeliverMessage, SendNotice
from konstruct.embedded.loopback import free_port
from konstruct.settings import Settings
from konstruct.tables import Message
from konstruct.tables.base import utc_now
from tests.support.doubles import KeptFiles
from tests.support.office import REFUSING, Office


async def test_what_lies_about_is_put_back_on_its_way(office: Office, temporal_client: Client) -> None:
    waiting, refused = await office.say(root="1.0"), await office.say(root="2.0", limiter=REFUSING)
    async with office.session() as session:
        await session.execute(update(Message).values(created_at=utc_now() - timedelta(days=1)))

    removing = Removing(office.database, KeptFiles())
    swept = await ActivityEnvironment().run(Upkeep(office.database, temporal_client, removing).sweep)

    assert swept.messages >= 2
    signals = []
    for asked, contract in ((waiting, DeliverMessage), (refused, SendNotice)):
        handle = temporal_client.get_workflow_handle(temporal.workflow_id(office.tenant_id, asked.conversation_id))
        async for event in handle.fetch_history_events():
            signal = event.workflow_execution_signaled_event_attributes
            if signal.signal_name:
                [content] = await temporal_client.data_converter.decode(list(signal.input.payloads), [contract])
                signals.append((signal.signal_name, content))
        await handle.terminate()
    assert refused.notice_id
    assert signals == [
        (DELIVER_MESSAGE, DeliverMessage(waiting.message_id)),
        (SEND_NOTICE, SendNotice(refused.notice_id)),
    ]


async def test_what_was_signalled_is_left_to_temporal_for_a_while(office: Office, temporal_client: Client) -> None:
    asked = await office.say(root="1.0")
    async with office.session() as session:
        await session.execute(update(Message).values(created_at=utc_now() - timedelta(days=1)))
    sweep = Upkeep(office.database, temporal_client, Removing(office.database, KeptFiles())).sweep

    await ActivityEnvironment().run(sweep)

    assert asked.message_id not in {message.message_id for message in await unsettled.find(office.database, 500)}
    workflow_id = temporal.workflow_id(office.tenant_id, asked.conversation_id)
    await temporal_client.get_workflow_handle(workflow_id).terminate()


async def test_a_message_that_cannot_be_signalled_is_left_for_the_next_sweep(
    office: Office, settings: Settings
) -> None:
    asked = await office.say(root="1.0")
    async with office.session() as session:
        await session.execute(update(Message).values(created_at=utc_now() - timedelta(days=1)))
    nowhere = await temporal.connect(settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"}))

    await ActivityEnvironment().run(Upkeep(office.database, nowhere, Removing(office.database, KeptFiles())).sweep)

    assert asked.message_id in {message.message_id for message in await unsettled.find(office.database, 500)}
