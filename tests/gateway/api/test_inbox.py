"""The inbox over the API: in the order in which agents see it, narrowed down, page by page; never another tenant's."""

import pytest

from konstruct.db import Database
from konstruct.vault import Vault
from konstruct.workbench.views import PRIORITIES
from tests.gateway.programs import Program, program_of
from tests.support.handoffs import a_wish, hand_off, owned, seat
from tests.support.office import Office, open_office
from tests.support.queues import queue


@pytest.fixture
async def office(office: Office) -> Office:
    await seat(office, groups={"repairs": {"people": ["grace"]}})
    return office


@pytest.fixture
async def program(api: str, office: Office) -> Program:
    return await program_of(office, api, "handoffs:read")


async def test_who_waits_is_listed_in_the_order_in_which_agents_see_it(program: Program, office: Office) -> None:
    made = await queue(office, 12)
    wanted = [str(each.conversation_id) for each in sorted(made, key=lambda x: (PRIORITIES.index(x.priority), x.since))]

    first = await program.get("/inbox?limit=7")
    rest = await program.get(f"/inbox?limit=7&after={first.body['next']}")

    assert (first.status, rest.body["next"], first.body["looked"]) == (200, None, None)
    assert [row["conversation_id"] for row in first.body["conversations"] + rest.body["conversations"]] == wanted


async def test_what_a_row_has(program: Program, office: Office) -> None:
    asked = await office.say("My brakes squeak")
    handoff_id = await hand_off(
        office, asked, a_wish("They sound upset.", rule="angry", target="repairs", priority="high")
    )
    answer = await program.get("/inbox?view=open&to=repairs&priority=high&employee=ada&kind=slack&q=squeak")
    [row] = answer.body["conversations"]
    assert (row["conversation_id"], row["handoff_id"]) == (str(asked.conversation_id), str(handoff_id))
    assert (row["state"], row["contact"], row["employee"], row["preview"]) == (
        "waiting",
        "U1",
        "Ada",
        "My brakes squeak",
    )
    assert (row["reason"], row["rule"], row["target"], row["said_by"]) == (
        "They sound upset.",
        "angry",
        "repairs",
        "contact",
    )
    assert answer.body["looked"] == {
        "conversations": 1,
        "back_to": answer.body["looked"]["back_to"],
        "is_whole": True,
    }


async def test_what_one_agent_has(program: Program, office: Office) -> None:
    await owned(office, await office.say())
    assert len((await program.get("/inbox?view=mine&agent=grace")).body["conversations"]) == 1
    for nobodys in ("/inbox?view=mine", "/inbox?view=mine&agent=linus", "/inbox?employee=nobody&view=all"):
        assert (await program.get(nobodys)).body["conversations"] == []


@pytest.mark.parametrize("query", ["view=nonsense", "limit=0", "after=nonsense", "more=1", "priority=big"])
async def test_what_cannot_be_asked_for(program: Program, query: str) -> None:
    assert (await program.get(f"/inbox?{query}")).status == 422


async def test_a_key_without_the_scope_and_one_of_another_tenant_see_nothing(
    office: Office, api: str, database: Database, vault: Vault
) -> None:
    await hand_off(office, await office.say("Secret"))
    other = await open_office(database, vault)
    assert (await (await program_of(office, api, "conversations:read")).get("/inbox")).status == 403
    theirs = await (await program_of(other, api, "handoffs:read")).get("/inbox?view=all")
    assert (theirs.status, theirs.body["conversations"]) == (200, [])
