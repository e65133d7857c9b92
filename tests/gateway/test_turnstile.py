"""A tenant that is written to far more often than can be kept: it waits for itself, and nobody else does."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from gateway.turnstile import Turnstile
from konstruct.errors import Unavailable
from tests.gateway.conftest import OpenOffice
from tests.gateway.office import Office
from tests.support.slack_double import Delivery, Json, SlackDouble
from tests.support.slack_double import events as built

MORE_THAN_THERE_ARE_CONNECTIONS = 40


@pytest.mark.parametrize("what", ["said", "edited"])
async def test_a_flood_into_one_conversation_holds_up_no_other_tenant(
    slack: SlackDouble, office: Office, new_office: OpenOffice, owner_url: SecretStr, what: str
) -> None:
    other = await new_office()
    dm = office.workspace.dm_with("U1")
    root = await slack.person_says(dm.id, "U1", "hello")
    [conversation] = await office.conversations()
    blocking = await asyncpg.connect(owner_url.get_secret_value())

    def event(number: int) -> Json:
        said = built.person_message("U1", f"again {number}", slack.world.next_ts(), office.workspace.team_id)
        if what == "said":
            return built.message(dm, said | {"thread_ts": root.ts, "parent_user_id": "U1"})
        before = dm.messages[root.ts]
        return built.message_changed(dm, before | {"text": f"again {number}"}, before, slack.world.next_ts())

    async def post(number: int) -> Delivery:
        return await slack.send(slack.envelope(event(number), team=office.workspace.team_id))

    async with blocking.transaction():
        await blocking.execute("select from conversations where id = $1 for update", conversation.id)
        flood = [asyncio.create_task(post(number)) for number in range(MORE_THAN_THERE_ARE_CONNECTIONS)]
        # The first that are told to come again have waited as long as any may: the flood is as high as it gets.
        await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
        dm_elsewhere = other.workspace.dm_with("U2").id
        elsewhere = await slack.person_says(dm_elsewhere, "U2", "hello", team=other.workspace.team_id)
        assert [delivery.status for delivery in elsewhere.deliveries] == [200]
    await blocking.close()

    answers = [delivery.status for delivery in await asyncio.gather(*flood)]
    assert set(answers) == {200, 503}
    # What was not taken was not kept, and comes again; what was is there.
    assert len(await office.messages()) == 1 + (answers.count(200) if what == "said" else 0)


async def test_who_waits_too_long_is_to_come_again_and_takes_no_place() -> None:
    turnstile, tenant, others = Turnstile(at_once=1, longest_wait=0.05), uuid4(), uuid4()

    async with turnstile.passed(tenant):
        with pytest.raises(Unavailable, match="come again"):
            async with turnstile.passed(tenant):
                raise AssertionError("There was no room.")
        async with turnstile.passed(others):
            pass
    async with turnstile.passed(tenant):
        pass
