"""The trail over the API: events by filters, checks that say where a chain was changed, exports with their proof."""

import json

import pytest

from konstruct.audit import exporting
from tests.gateway.programs import Program
from tests.support.asked import check_what_waits
from tests.support.office import Office
from tests.support.showroom_trail import met
from tests.support.trail import Trail


async def actions(program: Program, query: str) -> list[str]:
    answer = await program.get(f"/audit/events?{query}")
    assert answer.status == 200, answer.body
    return [event["action"] for event in answer.body["events"]]


async def test_events_are_found_by_every_filter(office: Office, program: Program) -> None:
    lea = await met(office, "U0LEA", "Lea")
    [conversation] = await office.conversations()

    assert await actions(program, "action=connection.") == ["connection.installed"]
    assert await actions(program, f"contact_id={lea}") == ["message.sent"]
    assert await actions(program, f"conversation_id={conversation.id}") == ["message.sent"]
    assert await actions(program, "employee=ada") == ["message.sent"]
    assert await actions(program, "employee=nobody") == []
    assert "connection.installed" in await actions(program, "actor=test")
    assert await actions(program, "until=2020-01-01T00:00:00Z") == []
    assert (await program.get("/audit/events?since=yesterday")).status == 422


# Found by F14 with the seed 20261130: an export that could not be made broke off without a word.
@pytest.mark.parametrize("kind", ["audit/events", "audit/export", "conversations"])
@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_moment_before_or_after_all_that_can_be_reckoned_with_is_refused(
    program: Program, kind: str, name: str, moment: str
) -> None:
    answer = await program.get(f"/{kind}?{name}={moment}")
    assert (answer.status, answer.body["error"].startswith(f"{name}: is to be a moment between")) == (422, True)


@pytest.mark.parametrize("kind", ["events", "export"])
@pytest.mark.parametrize("name", ["employee", "actor", "action"])
async def test_of_a_name_that_can_be_nobodys_there_is_nothing(program: Program, kind: str, name: str) -> None:
    answer = await program.get(f"/audit/{kind}?{name}=%00")
    assert (answer.status, "NUL" in str(answer.body)) == (422, True)


async def test_pages_hold_each_event_once(office: Office, program: Program, trail: Trail) -> None:
    lea = await office.say("Hello?")
    await trail.write(lea.conversation_id, 5)

    seen, query = [], f"conversation_id={lea.conversation_id}&limit=2"
    while query:
        page = (await program.get(f"/audit/events?{query}")).body
        seen += [event["seq"] for event in page["events"]]
        before = page["next"]
        query = f"conversation_id={lea.conversation_id}&limit=2&before={before}" if before else ""
    assert seen == [5, 4, 3, 2, 1]


async def test_a_check_says_that_the_trail_is_whole_and_where_it_is_not(
    office: Office, program: Program, trail: Trail
) -> None:
    asked = await office.say("Hello?")
    await trail.write(asked.conversation_id, 3)
    await trail.seal()

    begun = await program.post("/audit/check", {})
    assert (begun.status, begun.body["outcome"], begun.body["ended_at"]) == (202, None, None)
    assert (await program.post("/audit/check", {})).status == 409
    await check_what_waits(office, trail.anchor_file)
    [whole] = (await program.get("/audit/check")).body["checks"]
    assert (whole["outcome"], whole["anchored"], whole["broken"]) == ("whole", 1, None)
    async with trail.tampering() as administrator:
        await administrator.execute(
            "update audit_events set actor = 'nobody' where tenant_id = $1 and chain_id = $2 and seq = 2",
            *(office.tenant_id, asked.conversation_id),
        )

    assert (await program.post("/audit/check", {"conversation_id": str(asked.conversation_id)})).status == 202
    await check_what_waits(office, trail.anchor_file)
    broken = (await program.get("/audit/check")).body["checks"][0]
    assert (broken["outcome"], broken["broken"]["seq"]) == ("broken", 2)
    assert broken["conversation_id"] == str(asked.conversation_id)
    assert (await program.post("/audit/check", {"conversation_id": str(asked.message_id)})).status == 404


async def test_an_export_bears_its_proof(office: Office, program: Program, trail: Trail) -> None:
    asked = await office.say("Hello?")
    await trail.write(asked.conversation_id, 3)

    answer = await program.get(f"/audit/export?conversation_id={asked.conversation_id}")

    lines = answer.body.decode().splitlines(keepends=True)
    checked = exporting.check(lines)
    assert (checked.broken, checked.events) == (None, 3)
    lines[1] = lines[1].replace('"actor": "employee"', '"actor": "nobody"')
    assert "line 2" in str(exporting.check(lines).broken)
    [event] = await office.events("audit.exported")
    assert event.actor == "api:back-office"
    assert event.detail["filters"] == {"conversation_id": str(asked.conversation_id)}
    about = json.loads(lines[-1])
    assert about["filters"] == event.detail["filters"]
