"""Employees over the API: begun, changed on top of what was seen alone, published, rolled back, archived."""

import io
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from konstruct.db import Database
from konstruct.vault import Vault
from tests.gateway.programs import Answer, Program, program_of
from tests.support.office import Office, open_office

READY = {"name": "Otis", "role": "sales", "system_prompt": "Sell what fits."}


async def begin(program: Program, key: str = "1", **given: Any) -> Answer:
    return await program.call("POST", "/employees", given, headers={"Idempotency-Key": key})


async def change(program: Program, key: str, revision: int, **content: Any) -> Answer:
    return await program.call("PATCH", f"/employees/{key}/draft", {"revision": revision, "content": content})


async def published(program: Program, **content: Any) -> str:
    """The key of one that answers, by version 1."""
    key = str((await begin(program, name="Otis")).body["key"])
    draft = (await change(program, key, 1, **{**READY, **content})).body
    answer = await program.post(f"/employees/{key}/publish", {"revision": draft["revision"], "over": 0})
    assert (answer.status, answer.body["number"]) == (201, 1), answer.body
    return key


async def test_one_is_begun_from_a_starting_point_once(program: Program, office: Office) -> None:
    starts = (await program.get("/starting-points")).body["starting_points"]
    made = await begin(program, start=starts[0]["key"], name="Mira")
    again = await begin(program, start=starts[0]["key"], name="Mira")
    other = await begin(program, "2", start=starts[0]["key"], name="Mira")
    nowhere = await begin(program, "3", start="nowhere")
    nameless = await begin(program, "4")

    assert (made.status, again.status) == (201, 201)
    assert (made.body["key"], again.body["key"], other.body["key"]) == ("mira", "mira", "mira-2")
    assert (made.body["published_version"], made.body["has_draft"]) == (0, True)
    assert (nowhere.status, "start" in nowhere.body["fields"]) == (422, True)
    assert (nameless.status, "needs a name" in nameless.body["error"]) == (422, True)
    draft = (await program.get("/employees/mira/draft")).body
    assert draft["content"]["system_prompt"] == starts[0]["content"]["system_prompt"]
    assert [event.actor for event in await office.events("employee.created")] == ["api:back-office"] * 2
    listed = (await program.get("/employees")).body["employees"]
    assert [each["key"] for each in listed] == ["ada", "mira", "mira-2"]
    assert listed[0]["serves"] != []


async def test_the_same_key_of_another_program_is_another_employee(program: Program, api: str, office: Office) -> None:
    second = await program_of(office, api, name="second")
    assert (await begin(program, name="Mira")).body["key"] == "mira"
    assert (await begin(second, name="Mira")).body["key"] == "mira-2"


async def test_a_draft_is_changed_by_whoever_saw_it_and_by_nobody_else(program: Program) -> None:
    key = (await begin(program, name="Otis")).body["key"]
    first = await change(program, key, 1, role="sales", suggested_prompts=["What does it cost?"])
    late = await change(program, key, 1, role="support")

    assert (first.status, first.body["revision"], first.body["content"]["name"]) == (200, 2, "Otis")
    assert first.body["saved_by"] == "api:back-office"
    assert (late.status, "revision 2" in late.body["error"]) == (409, True)
    now = (await program.get(f"/employees/{key}/draft")).body
    assert (now["content"]["role"], now["content"]["suggested_prompts"]) == ("sales", ["What does it cost?"])


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"role": 5}, "content.role"),
        ({"system_promt": "x"}, "content.system_promt"),
        ({"escalation": [{"name": "x"}]}, "content.escalation"),
        ({"escalation": [{"name": "x", "when": {"moon": "full"}, "then": {"tell": {}}}]}, "content.escalation"),
        ({"tools": [{"approval": "never"}]}, "content.tools"),
        ({"hours": {"mon": "whenever"}}, "content.hours"),
        ({"caps": {"steps": 5_000}}, "content.caps"),
        ({"picture": str(uuid4())}, "content.picture"),
    ],
)
async def test_what_no_employee_has_is_refused_where_it_stands(
    program: Program, content: dict[str, Any], where: str
) -> None:
    key = (await begin(program, name="Otis")).body["key"]
    answer = await change(program, key, 1, **content)
    assert (answer.status, where in answer.body["error"]) == (422, True), answer.body
    assert (await program.get(f"/employees/{key}/draft")).body["revision"] == 1


async def test_rules_hours_and_caps_are_kept_as_a_manifest_has_them(program: Program) -> None:
    key = (await begin(program, name="Otis")).body["key"]
    rule = {"name": "refund", "when": {"keyword": ["refund"]}, "then": {"hand_off": {"priority": "high"}}}
    hours = {"mon": "09:00-17:00", "closed": ["2026-12-25"], "time_zone": "Europe/Berlin"}
    saved = await change(
        program,
        key,
        1,
        escalation=[rule],
        hours=hours,
        caps={"steps": 5},
        tools=[{"name": "no-such", "approval": "always"}],
    )

    content = saved.body["content"]
    assert (content["escalation"], content["hours"], content["caps"]) == ([rule], hours, {"steps": 5})
    assert content["tools"] == [{"name": "no-such", "approval": "always"}]
    always = await change(program, key, 2, hours=None)
    assert (always.body["content"]["hours"], always.body["content"]["caps"]) == ({}, {"steps": 5})


async def test_what_is_missing_is_told_and_nothing_is_saved(program: Program) -> None:
    key = (await begin(program, name="Otis")).body["key"]
    as_it_is = (await program.post(f"/employees/{key}/draft/check", {})).body
    as_it_might_be = (await program.post(f"/employees/{key}/draft/check", {"content": READY})).body
    refused = await program.post(f"/employees/{key}/publish", {"revision": 1, "over": 0})

    assert (as_it_is["is_ready"], {each["field"] for each in as_it_is["problems"]}) == (
        False,
        {"role", "system_prompt"},
    )
    assert all(each["is_missing"] for each in as_it_is["problems"])
    assert (as_it_might_be["is_ready"], as_it_might_be["problems"]) == (True, [])
    assert as_it_might_be["tokens"] > 0
    assert (refused.status, "System prompt" in refused.body["error"]) == (422, True)
    assert (await program.get(f"/employees/{key}/draft")).body["revision"] == 1


async def test_a_version_is_published_compared_and_gone_back_to(program: Program, office: Office) -> None:
    key = await published(program)
    draft = (await change(program, key, 3, greeting="Hello!", system_prompt="Sell what fits best.")).body
    changes = (await program.get(f"/employees/{key}/draft/changes")).body
    second = await program.post(
        f"/employees/{key}/publish", {"revision": draft["revision"], "over": 1, "note": "A greeting"}
    )
    repeated = await program.post(f"/employees/{key}/publish", {"revision": draft["revision"], "over": 1})
    back = await program.post(f"/employees/{key}/versions/1/restore", {"over": 2, "note": "Too warm"})
    back_again = await program.post(f"/employees/{key}/versions/1/restore", {"over": 2})

    assert [each["field"] for each in changes["differences"]] == ["system_prompt", "greeting"]
    assert {"kind": "added", "text": " best"} in changes["differences"][0]["pieces"]
    assert (second.status, second.body) == (201, {"number": 2, "fields": ["system_prompt", "greeting"]})
    assert repeated.status == 409
    assert (back.status, back.body["number"]) == (201, 3)
    assert back_again.status == 409
    found = (await program.get(f"/employees/{key}/versions?limit=2")).body
    assert [(each["number"], each["note"], each["restored_from"]) for each in found["versions"]] == [
        (3, "Too warm", 1),
        (2, "A greeting", None),
    ]
    assert (found["published"], found["next"]) == (3, 2)
    rest = (await program.get(f"/employees/{key}/versions?limit=2&before=2")).body
    assert [each["number"] for each in rest["versions"]] == [1]
    whole = (await program.get(f"/employees/{key}/versions/2")).body
    assert (whole["content"]["greeting"], whole["published_by"]) == ("Hello!", "api:back-office")
    # After going back, what is drafted is what version 1 was.
    for against, title in (("1", "version 1"), ("draft", "the draft"), ("before", "version 1")):
        compared = (await program.get(f"/employees/{key}/versions/2/changes?against={against}")).body
        assert compared["against"] == title
        assert [each["field"] for each in compared["differences"]] == ["system_prompt", "greeting"]
    assert (await program.get(f"/employees/{key}/versions/9")).status == 404
    assert (await program.get(f"/employees/{key}/versions/2/changes?against=8")).status == 404
    assert [event.actor for event in await office.events("employee.rolled_back")] == ["api:back-office"]


async def test_a_draft_is_discarded_and_brought_back(program: Program) -> None:
    key = await published(program)
    await change(program, key, 3, greeting="Hello!")
    gone = await program.call("DELETE", f"/employees/{key}/draft?revision=4")
    late = await program.call("DELETE", f"/employees/{key}/draft?revision=4")
    back = await program.post(f"/employees/{key}/draft/bring-back", {"revision": gone.body["revision"]})

    assert (gone.status, gone.body["content"]["greeting"], gone.body["was_discarded"]) == (200, "", True)
    assert late.status == 409
    assert (back.status, back.body["content"]["greeting"]) == (200, "Hello!")
    nothing = await program.post(f"/employees/{key}/draft/bring-back", {"revision": back.body["revision"]})
    assert nothing.status == 409


async def test_a_draft_that_is_behind_takes_in_what_was_published(program: Program) -> None:
    key = await published(program)
    second = (await change(program, key, 3, greeting="Hello!")).body
    await program.post(f"/employees/{key}/publish", {"revision": second["revision"], "over": 1})
    begun = await change(program, key, 5, role="sales of bicycles")
    await program.post(f"/employees/{key}/versions/1/restore", {"over": 2})

    behind = (await program.get(f"/employees/{key}/draft")).body
    assert (begun.status, behind["is_behind"]) == (200, True)
    taken = await program.post(f"/employees/{key}/draft/take-in", {"revision": behind["revision"]})
    assert (taken.status, taken.body["is_behind"]) == (200, False)
    assert (taken.body["content"]["greeting"], taken.body["content"]["role"]) == ("", "sales of bicycles")


async def test_a_picture_is_made_small_and_shown(program: Program) -> None:
    key = await published(program)
    drawn = io.BytesIO()
    Image.new("RGB", (900, 600), "teal").save(drawn, "PNG")

    put = await program.call("PUT", f"/employees/{key}/draft/picture?revision=3", raw=drawn.getvalue())
    no_picture = await program.call("PUT", f"/employees/{key}/draft/picture?revision=4", raw=b"Not one")

    assert (put.status, put.body["revision"]) == (200, 4)
    assert (no_picture.status, "JPEG" in no_picture.body["error"]) == (422, True)
    shown = await program.get(f"/employee-pictures/{put.body['content']['picture']}")
    assert shown.headers["content-type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(shown.body)).size) == 320
    removed = await program.call("DELETE", f"/employees/{key}/draft/picture?revision=4")
    assert removed.body["content"]["picture"] is None
    assert (await program.get(f"/employee-pictures/{uuid4()}")).status == 404


async def test_rules_are_tried_on_the_past_without_a_word_of_it(program: Program, office: Office) -> None:
    asked = await office.exchange("I want a refund", "For what?")
    await office.exchange("Hello", "Hi", root="2.0")
    rule = {"name": "refund", "when": {"keyword": ["refund"]}, "then": {"hand_off": {}}}

    answer = await program.post("/employees/ada/draft/try-rules", {"escalation": [rule]})

    past = {each["conversation_id"]: each for each in answer.body["conversations"]}
    assert len(past) == 2
    assert [each["fired"] for each in past[str(asked.conversation_id)]["fired"]] == ["refund"]
    assert "I want a refund" not in str(answer.body)
    key = (await begin(program, name="Otis")).body["key"]
    assert (await program.post(f"/employees/{key}/draft/try-rules", {"escalation": [rule]})).body["conversations"] == []
    every = await program.post(f"/employees/{key}/draft/try-rules", {"escalation": [rule], "conversations": "all"})
    assert len(every.body["conversations"]) == 2


async def test_one_is_copied_once_and_archived_unless_it_serves(program: Program, office: Office) -> None:
    copy = await program.call("POST", "/employees/ada/duplicate", headers={"Idempotency-Key": "c"})
    again = await program.call("POST", "/employees/ada/duplicate", headers={"Idempotency-Key": "c"})
    busy = await program.post("/employees/ada/archive")
    archived = await program.post(f"/employees/{copy.body['key']}/archive")

    assert (copy.status, copy.body["key"]) == (201, again.body["key"])
    assert (busy.status, "Give these to another employee first" in busy.body["error"]) == (409, True)
    assert (archived.status, archived.body["archived_at"] is not None) == (200, True)
    refused = await program.post(f"/employees/{copy.body['key']}/publish", {"revision": 1, "over": 0})
    assert (refused.status, "archived" in refused.body["error"]) == (409, True)
    restored = await program.post(f"/employees/{copy.body['key']}/unarchive")
    assert (restored.status, restored.body["archived_at"]) == (200, None)
    assert [event.action for event in await office.events("employee.archived")] == ["employee.archived"]


async def test_another_tenants_employees_are_not_there(
    program: Program, api: str, database: Database, vault: Vault
) -> None:
    theirs = await program_of(await open_office(database, vault), api)
    key = await published(program)

    assert key not in {each["key"] for each in (await theirs.get("/employees")).body["employees"]}
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/draft", None),
        ("GET", "/versions", None),
        ("GET", "/versions/1", None),
        ("PATCH", "/draft", {"revision": 3, "content": {"name": "Stolen"}}),
        ("POST", "/publish", {"revision": 3, "over": 1}),
        ("POST", "/archive", None),
    ):
        assert (await theirs.call(method, f"/employees/{key}{path}", body)).status == 404, (method, path)
    assert (await program.get(f"/employees/{key}")).body["name"] == "Otis"
