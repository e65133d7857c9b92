"""Contacts over the API: found, read, forgotten, joined, erased and handed out, as in the portal."""

import json

from konstruct.db import Database
from konstruct.tables import ContactErasure, Memory
from konstruct.vault import Vault
from tests.gateway.programs import Program
from tests.support.asked import erase_what_waits
from tests.support.office import Office, open_office
from tests.support.showroom_trail import learnt, met


async def test_contacts_are_listed_page_by_page_and_found(office: Office, program: Program) -> None:
    for number in range(3):
        await met(office, f"U{number}", f"Person {number}")

    first = await program.get("/contacts?limit=2")
    assert [each["name"] for each in first.body["contacts"]] == ["Person 2", "Person 1"]
    second = await program.get(f"/contacts?limit=2&before={first.body['next']}")
    assert [each["name"] for each in second.body["contacts"]] == ["Person 0"]
    assert second.body["next"] is None
    found = await program.get("/contacts?q=person%201&connection=slack")
    assert [each["external_id"] for each in found.body["contacts"]] == ["U1"]
    assert (await program.get("/contacts?connection=nowhere")).status == 404
    assert (await program.get("/contacts?state=asleep")).status == 422


async def test_a_contact_is_shown_whole_and_forgotten_in_part(office: Office, program: Program) -> None:
    lea = await met(office, "U0LEA", "Lea")
    [fact] = await learnt(office, lea, [("Rides a Brompton.", 0.5)])

    shown = (await program.get(f"/contacts/{lea}")).body
    assert shown["contact"]["name"] == "Lea"
    assert [(each["text"], each["confidence"]) for each in shown["facts"]] == [("Rides a Brompton.", 0.5)]
    assert shown["erasure"] is None
    assert (await program.post(f"/contacts/{lea}/forget", {})).status == 422
    forgotten = await program.post(f"/contacts/{lea}/forget", {"facts": [str(fact)]})
    assert forgotten.body == {"messages": 2}

    assert (await program.get(f"/contacts/{lea}")).body["facts"] == []
    [event] = await office.events("contact.forgotten")
    assert event.actor == "api:back-office"
    assert (await program.post(f"/contacts/{lea}/forget", {"everything": True})).status == 200
    assert await office.rows(Memory) == []


async def test_contacts_are_joined_and_separated(office: Office, program: Program) -> None:
    lea, phone = await met(office, "U1", "Lea"), await met(office, "U2", "Lea")

    assert (await program.post(f"/contacts/{lea}/join", {"contact_id": str(phone)})).body == {"changed": True}
    assert (await program.post(f"/contacts/{lea}/join", {"contact_id": str(phone)})).body == {"changed": False}
    assert len((await program.get(f"/contacts/{lea}")).body["contacts"]) == 2
    assert (await program.post(f"/contacts/{phone}/separate")).body == {"changed": True}
    assert (await program.post(f"/contacts/{phone}/separate")).body == {"changed": False}
    assert len((await program.get(f"/contacts/{lea}")).body["contacts"]) == 1


async def test_a_wish_is_said_for_somebody(office: Office, program: Program) -> None:
    lea = await met(office, "U1", "Lea")

    wish = {"may_be_written_to": False, "reason": "By phone."}
    assert (await program.call("PUT", f"/contacts/{lea}/consent", wish)).body == {"changed": True}
    assert (await program.get("/contacts?state=opted_out")).body["contacts"][0]["opted_out_at"]
    assert (await program.call("PUT", f"/contacts/{lea}/consent", wish)).body == {"changed": False}
    assert (await program.call("PUT", f"/contacts/{lea}/consent", wish | {"reason": ""})).status == 422


async def test_a_person_is_erased_where_their_id_is_named(office: Office, program: Program) -> None:
    lea = await met(office, "U0LEA", "Lea Moreau")

    assert (await program.post(f"/contacts/{lea}/erase", {"external_id": "U0"})).status == 422
    assert await office.rows(ContactErasure) == []
    asked = await program.post(f"/contacts/{lea}/erase", {"external_id": "U0LEA"})
    assert (asked.status, asked.body["ended_at"]) == (202, None)
    again = await program.post(f"/contacts/{lea}/erase", {"external_id": "U0LEA"})
    assert again.body["id"] == asked.body["id"]
    await erase_what_waits(office)

    shown = (await program.get(f"/contacts/{lea}")).body
    assert shown["contact"]["erased_at"]
    assert (shown["erasure"]["messages"], bool(shown["erasure"]["ended_at"])) == (2, True)
    assert "Moreau" not in json.dumps(shown)
    assert (await program.post(f"/contacts/{lea}/erase", {"external_id": "U0LEA"})).status == 404
    assert (await program.post(f"/contacts/{lea}/forget", {"everything": True})).status == 404
    wish = {"may_be_written_to": False, "reason": "By phone."}
    assert (await program.call("PUT", f"/contacts/{lea}/consent", wish)).status == 404


async def test_all_that_is_held_is_handed_out(office: Office, program: Program) -> None:
    lea = await met(office, "U0LEA", "Lea")

    answer = await program.post(f"/contacts/{lea}/export")

    assert [each["text"] for each in answer.body["conversations"][0]["messages"]][1] == "We do, in two sizes."
    [event] = await office.events("contact.exported")
    assert event.actor == "api:back-office"


async def test_what_another_tenant_has_is_not_there(
    office: Office, program: Program, database: Database, vault: Vault
) -> None:
    other = await open_office(database, vault)
    theirs = await met(other, "U0LEA", "Lea")
    ours = await met(office, "U0TOM", "Tom")

    for method, path, body in (
        ("GET", "", None),
        ("POST", "/forget", {"everything": True}),
        ("POST", "/join", {"contact_id": str(ours)}),
        ("POST", "/separate", None),
        ("POST", "/export", None),
        ("PUT", "/consent", {"may_be_written_to": False, "reason": "By phone."}),
        ("POST", "/erase", {"external_id": "U0LEA"}),
    ):
        assert (await program.call(method, f"/contacts/{theirs}{path}", body)).status == 404, path
    assert (await program.post(f"/contacts/{ours}/join", {"contact_id": str(theirs)})).status == 404
    assert [each["name"] for each in (await program.get("/contacts?q=lea")).body["contacts"]] == []
