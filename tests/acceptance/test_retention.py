"""What a tenant keeps no longer goes by itself, with real processes; newer words stay, and the trail is whole."""

import secrets

import pytest
from temporalio.client import Client

from tests.acceptance.test_erasure import histories_that_hold, tables_that_hold, verified
from tests.acceptance.test_memory import is_remembered, talkative_office
from tests.acceptance.town import Office, Town
from tests.support.processes import until

pytestmark = pytest.mark.stack


async def age(town: Town, office: Office, root: str, days: int) -> None:
    """As if all of one conversation had been so many days earlier."""
    of_it = "conversation_id in (select c.id from conversations c join tenants t on t.id = c.tenant_id"
    of_it += " where t.slug = $1 and c.root = $2)"
    for table, column in (("messages", "created_at"), ("memories", "happened_at"), ("files", "created_at")):
        back = f"update {table} set {column} = {column} - make_interval(days => $3) where {of_it}"
        await town.change(back, office.slug, root, days)


async def test_old_words_are_gone_everywhere_and_newer_ones_are_remembered(town: Town) -> None:
    office = await talkative_office(town)
    old, new = f"Canary{secrets.token_hex(8)}", f"Canary{secrets.token_hex(8)}"
    talk, other = office.talk(), office.talk()
    await talk.mention(f"I own {old}.")
    await talk.heard()
    await other.mention(f"I own {new}.")
    await other.heard()
    for each in (talk, other):
        await until(lambda each=each: is_remembered(office, each.root))
    await age(town, office, talk.root, days=31)
    before = len(await office.rows("messages"))
    await town.change("""update tenants set retention = '{"messages": 30}' where slug = $1""", office.slug)

    client = await Client.connect(town.addresses["temporal_address"])
    await client.get_schedule_handle("retention").trigger()

    async def is_done() -> bool:
        return any(run["ended_at"] and run["messages"] == 2 for run in await office.rows("retention_runs"))

    await until(is_done, timeout=60)
    bodies = [row["body"] for row in await office.messages()]
    assert len(bodies) == before
    assert not any(old in body for body in bodies)
    assert sum(new in body for body in bodies) == 2
    assert await tables_that_hold(town, old) == set()
    assert await histories_that_hold(town, old) == set()
    remembered = {row["conversation_id"] for row in await office.rows("memories")}
    assert len(remembered) == 1
    await verified(town, office)

    # The conversation goes on as if nothing had been said before.
    await talk.say("And now?")
    await talk.heard(2)
    assert not any(old in str(call.messages) for call in town.models.calls[-1:])
