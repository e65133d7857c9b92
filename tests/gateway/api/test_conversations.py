"""Conversations over the API: listed, narrowed down, whole, page by page, taken along, and never another tenant's."""

from decimal import Decimal
from typing import Any

import pytest

from konstruct.db import Database
from konstruct.vault import Vault
from tests.gateway.programs import Program, program_of
from tests.support.handoffs import hand_off, seat
from tests.support.office import Office, furnish, open_office


@pytest.fixture
async def office(office: Office) -> Office:
    await seat(office)
    return office


@pytest.fixture
async def program(api: str, office: Office) -> Program:
    return await program_of(office, api, "conversations:read")


async def test_conversations_are_listed_page_by_page(program: Program, office: Office) -> None:
    first = await office.exchange("Where is it?", "On its way.", root="1.0")
    second = await office.say("Hello", root="2.0", contact="U2")
    await hand_off(office, second)

    newest = await program.get("/conversations?limit=1")

    assert newest.status == 200
    [row] = newest.body["conversations"]
    assert row["conversation_id"] == str(second.conversation_id)
    assert (row["owner"], row["preview"], row["had_people"], row["employee"]) == ("queue", "Hello", True, "ada")
    older = await program.get(f"/conversations?limit=1&before={newest.body['next']}")
    [row] = older.body["conversations"]
    assert (row["conversation_id"], row["preview"]) == (str(first.conversation_id), "On its way.")
    assert older.body["next"] is None
    found = await program.get("/conversations?owner=queue&had_people=true")
    assert [each["conversation_id"] for each in found.body["conversations"]] == [str(second.conversation_id)]


async def test_one_is_shown_with_its_cost(program: Program, database: Database, vault: Vault, api: str) -> None:
    office = await furnish(await open_office(database, vault))
    answer = await (await program_of(office, api, "conversations:read")).get(
        f"/conversations/{office.asked.conversation_id}"
    )
    assert answer.status == 200
    assert (Decimal(answer.body["cost"]), Decimal(answer.body["own"])) == (Decimal("0.001"), Decimal(0))
    assert (answer.body["model_calls"], answer.body["has_unknown_cost"], answer.body["messages"]) == (1, False, 2)


async def test_the_timeline_has_what_happened_in_pages_of_the_kinds_that_are_asked_for(
    program: Program, office: Office
) -> None:
    asked = await office.exchange("A question", "An answer")
    await hand_off(office, asked)
    address = f"/conversations/{asked.conversation_id}/timeline"

    whole = await program.get(address)

    assert whole.status == 200
    assert [each["message"]["text"] for each in whole.body["events"] if each["message"]][:2] == [
        "A question",
        "An answer",
    ]
    [opened] = [each for each in whole.body["events"] if each["action"] == "handoff.opened"]
    assert opened["text"] == "The contact asked for a person."
    assert whole.body["next"] is None
    pieces: list[dict[str, Any]] = []
    before: str | None = ""
    while before is not None:
        page = (await program.get(f"{address}?limit=1{f'&before={before}' if before else ''}")).body
        pieces = page["events"] + pieces
        before = page["next"]
    assert [each["id"] for each in pieces] == [each["id"] for each in whole.body["events"]]
    people = await program.get(f"{address}?kind=people")
    assert {each["kind"] for each in people.body["events"]} == {"people"}


async def test_it_is_taken_along_whole_and_the_trail_says_who_did(program: Program, office: Office) -> None:
    asked = await office.exchange("A question", "An answer")

    answer = await program.get(f"/conversations/{asked.conversation_id}/export")
    text = await program.get(f"/conversations/{asked.conversation_id}/export?format=text")

    assert [each["message"]["text"] for each in answer.body["events"] if "message" in each] == [
        "A question",
        "An answer",
    ]
    assert "An answer" in text.body.decode()
    assert [event.actor for event in await office.events("conversation.exported")] == ["api:back-office"] * 2


async def test_a_page_that_nobody_gave_out_is_refused_with_a_sentence(program: Program, office: Office) -> None:
    answer = await program.get("/conversations?before=nonsense")
    assert answer.status == 422
    assert "This page is not known" in answer.body["error"]


async def test_another_tenants_are_not_there(program: Program, database: Database, vault: Vault, api: str) -> None:
    theirs = await furnish(await open_office(database, vault))
    for path in ("", "/timeline", "/export"):
        answer = await program.get(f"/conversations/{theirs.asked.conversation_id}{path}")
        assert answer.status == 404
    assert (await program.get("/conversations")).body["conversations"] == []


async def test_a_key_without_the_scope_sees_nothing(office: Office, api: str) -> None:
    asked = await office.say()
    other = await program_of(office, api, "reports:read")
    for path in ("", f"/{asked.conversation_id}", f"/{asked.conversation_id}/timeline"):
        assert (await other.get(f"/conversations{path}")).status == 403


async def test_what_was_set_aside_is_told_and_tried_again(api: str, office: Office) -> None:
    asked = await office.say("What nobody can handle.")
    await office.set_aside(asked)
    program = await program_of(office, api, "conversations:read", "handoffs:act", "reports:read")
    address = f"/conversations/{asked.conversation_id}"

    [aside] = (await program.get(address)).body["quarantined"]
    [matter] = (await program.get("/attention")).body["matters"]
    assert (aside["message_id"], aside["tries"]) == (str(asked.message_id), 4)
    assert (matter["kind"], matter["key"]) == ("quarantined", str(asked.conversation_id))

    answer = await program.post(f"{address}/try-again")

    assert (answer.status, answer.body) == (202, {"message_ids": [str(asked.message_id)]})
    assert (await program.get(address)).body["quarantined"] == []
    assert [event.actor for event in await office.events("message.tried_again")] == ["api:back-office"]
    assert (await program.post(f"{address}/try-again")).status == 404


async def test_nothing_is_tried_again_while_people_have_the_conversation(api: str, office: Office) -> None:
    asked = await office.say("What nobody can handle.")
    await office.set_aside(asked)
    await hand_off(office, asked)
    program = await program_of(office, api, "handoffs:act")
    answer = await program.post(f"/conversations/{asked.conversation_id}/try-again")
    assert answer.status == 409
    assert (await office.message(asked.message_id)).state == "quarantined"
