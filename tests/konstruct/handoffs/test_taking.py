"""Taking a conversation from a colleague, from somebody who has left, and giving one to a group."""

import asyncio

import pytest

from konstruct.accounts import team
from konstruct.accounts.team import By
from konstruct.desk import people
from konstruct.errors import Conflict
from konstruct.handoffs import entries, owning
from konstruct.handoffs.owning import Agent, Ownership
from konstruct.inbox import Accepted
from tests.konstruct.handoffs.acts import acting, take_over, trail
from tests.support.handoffs import (
    GRACE,
    LINUS,
    PEOPLE,
    claim,
    conversation,
    hand_off,
    handoff_row,
    owned,
    seat,
    whole,
    write,
)
from tests.support.members import enrolled
from tests.support.office import Office

TAKING = {"from_colleague": True}
GROUPS = {"workshop": {"people": ["linus"]}, "front": {"people": ["grace", "linus"]}}


class TestFromAColleague:
    async def test_it_changes_hands_once_and_the_trail_says_from_whom(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        taken = await acting("claim", LINUS, **TAKING)(office, handoff_id)
        assert (taken.owner, taken.agent, taken.epoch) == ("agent", LINUS.key, 3)
        assert await acting("claim", LINUS, **TAKING)(office, handoff_id) == taken
        *_, event = await trail(office)
        assert len(await trail(office)) == 3
        assert (event.action, event.actor) == ("handoff.claimed", LINUS.key)
        assert (event.detail["taken_from"], event.detail["agent"]) == (GRACE.key, LINUS.key)

    async def test_who_had_it_can_say_nothing_any_more_and_may_take_it_back(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await owned(office, asked)
        await acting("claim", LINUS, **TAKING)(office, handoff_id)
        with pytest.raises(Conflict, match=f"{LINUS.name} has the conversation"):
            await write(office, handoff_id, "Hello from Grace.")
        with pytest.raises(Conflict, match=f"{LINUS.name} has it already"):
            await claim(office, handoff_id, GRACE)
        assert (await acting("claim", GRACE, **TAKING)(office, handoff_id)).agent == GRACE.key

    async def test_by_its_conversation_it_goes_as_well(self, office: Office, asked: Accepted) -> None:
        await owned(office, asked)
        with pytest.raises(Conflict):
            await take_over(office, asked, LINUS)
        async with office.session() as session:
            taken = await owning.take_over(session, office.vault, asked.conversation_id, LINUS, from_colleague=True)
        assert taken.agent == LINUS.key

    async def test_what_is_over_is_not_to_be_had_that_way(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await acting("resolve")(office, handoff_id)
        with pytest.raises(Conflict, match="has dealt with it"):
            await acting("claim", LINUS, **TAKING)(office, handoff_id)

    async def test_it_and_a_reply_at_once_leave_no_reply_of_who_lost_it(self, office: Office, asked: Accepted) -> None:
        """Whichever comes first: what goes out was written by who had it then."""
        handoff_id = await owned(office, asked)
        said, taken = await asyncio.gather(
            write(office, handoff_id, "Hello from Grace."),
            acting("claim", LINUS, **TAKING)(office, handoff_id),
            return_exceptions=True,
        )
        assert isinstance(taken, Ownership)
        assert isinstance(said, Conflict) or len(said.message_ids) == 1  # type: ignore[union-attr]
        outbound = [message for message in await office.messages("outbound") if message.author == "agent"]
        assert len(outbound) == (0 if isinstance(said, Conflict) else 1)


class TestFromWhoHasLeft:
    async def test_anybody_of_the_desk_takes_it(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await seat(office, people={"linus": PEOPLE["linus"]})
        assert (await claim(office, handoff_id, LINUS)).agent == LINUS.key
        assert (await trail(office))[-1].detail["taken_from"] == GRACE.key

    async def test_of_two_who_do_at_once_one_gets_it(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        ada, ben = Agent("ada", "Ada"), Agent("ben", "Ben")
        await seat(office, people={each.key: {"name": each.name} for each in (ada, ben)})
        done = await asyncio.gather(*(claim(office, handoff_id, each) for each in (ada, ben)), return_exceptions=True)
        assert sorted(type(each).__name__ for each in done) == ["Conflict", "Ownership"]

    async def test_a_member_who_may_no_longer_act_has_left(self, office: Office, asked: Accepted) -> None:
        await seat(office, people={})
        member = await enrolled(office.database, office.vault, "agent", office.tenant_id)
        other = await enrolled(office.database, office.vault, "agent", office.tenant_id)
        keys = [people.member_key(each.user_id) for each in (member, other)]
        handoff_id = await hand_off(office, asked)
        async with office.session() as session:
            mine, theirs = [await owning.agent(session, key) for key in keys]
        await claim(office, handoff_id, mine)
        with pytest.raises(Conflict, match="has it already"):
            await claim(office, handoff_id, theirs)
        by = By(other.user_id, "owner")
        async with office.session() as session:
            await team.change_role(session, office.tenant_id, by, member.user_id, "viewer")
        assert (await claim(office, handoff_id, theirs)).agent == theirs.key

    async def test_where_the_desk_names_nobody_a_programs_name_is_not_taken_for_one_that_left(
        self, office: Office, asked: Accepted
    ) -> None:
        await seat(office, people={})
        handoff_id = await owned(office, asked, Agent("crm-7", "crm-7"))
        with pytest.raises(Conflict, match="crm-7 has it already"):
            await claim(office, handoff_id, Agent("crm-8", "crm-8"))


class TestToAGroup:
    async def test_it_waits_for_the_group_and_its_people_are_asked_anew(self, office: Office, asked: Accepted) -> None:
        await seat(office, groups=GROUPS, default="front")
        handoff_id = await owned(office, asked)
        passed = await acting("release", GRACE, "workshop")(office, handoff_id)
        assert (passed.owner, passed.agent) == ("queue", None)
        handoff = await handoff_row(office, handoff_id)
        assert (handoff.state, handoff.target, handoff.progress["tasks"]) == ("waiting", "workshop", [])
        event = (await trail(office))[-1]
        assert (event.action, event.detail["to"]) == ("handoff.transferred", "workshop")
        assert await acting("release", GRACE, "workshop")(office, handoff_id) == passed

    async def test_only_who_has_it_can(self, office: Office, asked: Accepted) -> None:
        await seat(office, groups=GROUPS, default="front")
        handoff_id = await owned(office, asked)
        with pytest.raises(Conflict, match="only they can do that"):
            await acting("release", LINUS, "workshop")(office, handoff_id)
        assert (await conversation(office, asked)).agent == GRACE.key


async def test_what_is_written_in_the_portal_counts_once_and_beside_other_places(
    office: Office, asked: Accepted
) -> None:
    handoff_id = await owned(office, asked)
    for source, is_new in (("portal", True), ("portal", False), ("api", True)):
        async with office.session() as session:
            origin = entries.Origin(source, "one")  # type: ignore[arg-type]
            said = await entries.write(session, office.vault, handoff_id, GRACE, "Hello.", origin, whole)
        assert (said.is_new, len(said.message_ids)) == (is_new, 1)
