"""Applying a manifest's desk: stored, told by name when it changes, and read again as what it says."""

from datetime import timedelta

import pytest

from konstruct.db import Database
from konstruct.desk import people
from konstruct.desk.people import Desk, Group, Person
from konstruct.vault import Vault
from tests.konstruct.test_tenants import Acme

DESK = """\
time_zone: Europe/Vienna
desk:
  connection: main-slack
  channel: C024BE93Y
  people:
    zoe: {name: Zoe Adler, slack: U024BE7LH, email: zoe@example.com}
    ben: {name: Ben Okoro}
  groups:
    support: {people: [zoe, ben], ring: in_order, hours: {mon: "22:00-06:00"}, give_up_after: 2 hours}
"""


class WithDesk(Acme):
    def __init__(self, database: Database, vault: Vault) -> None:
        super().__init__(database, vault)
        self.text += DESK

    async def desk(self) -> Desk:
        async with self.database.tenant_session(await self.id()) as session:
            return await people.settings(session)


@pytest.fixture
def acme(database: Database, vault: Vault) -> WithDesk:
    return WithDesk(database, vault)


async def test_a_desk_is_what_the_file_says_and_the_second_time_nothing_changes(acme: WithDesk) -> None:
    await acme.apply()
    desk = await acme.desk()
    zoe = Person("zoe", "Zoe Adler", "U024BE7LH", "zoe@example.com")
    assert (desk.connection_key, desk.channel, desk.agent_for_slack("U024BE7LH")) == ("main-slack", "C024BE93Y", zoe)
    support = desk.group_for(None)
    assert (support.key, support.people, support.ring) == ("support", (zoe, Person("ben", "Ben Okoro")), "in_order")
    assert (support.give_up_after, support.time_zone) == (timedelta(hours=2), "Europe/Vienna")
    assert support.hours is not None
    assert support.hours.week[0] == ((1_320, 1_800),)

    assert await acme.apply() == []


async def test_a_changed_desk_is_told_and_one_that_is_taken_out_is_gone(acme: WithDesk) -> None:
    await acme.apply()
    acme.change("2 hours", "3 hours")
    assert await acme.apply() == [f"~ tenant {acme.slug}: desk"]
    assert (await acme.desk()).group_for("support").give_up_after == timedelta(hours=3)
    [event] = [event for event in await acme.audit() if event.action == "tenant.changed"]
    assert event.detail["fields"] == ["desk"]

    acme.text = acme.text[: acme.text.index("desk:")]
    assert await acme.apply() == [f"~ tenant {acme.slug}: desk"]
    assert await acme.desk() == Desk(default=Group("everyone", time_zone="Europe/Vienna"))
