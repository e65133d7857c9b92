"""The audit trail in the portal: read, narrowed, checked, and exported with its proof."""

import ast
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from konstruct import api_keys, audit, tenant_settings
from konstruct.audit import checks, exporting
from konstruct.identity import new_id
from portal import audit_actions, audit_words
from tests.support.asked import check_what_waits
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.showroom_trail import met
from tests.support.trail import Trail
from tests.support.vendored import CHECKOUT

PARTS = ("konstruct", "activities", "gateway", "portal")


@pytest.fixture
async def owner(office: Office, portal: httpx.AsyncClient) -> Enrolled:
    person = await enrolled(office.database, office.vault, tenant=office.tenant_id)
    portal.cookies.update(person.cookies)
    return person


def at(person: Enrolled, path: str = "") -> str:
    return f"/t/{person.slug}/audit{path}"


def told(answer: httpx.Response) -> list[str]:
    """Who did what, the newest first."""
    found = re.findall(r'<span class="event-line">(.+?)</span>', answer.text)
    return [unescape(re.sub(r"<[^>]+>", "", line)) for line in found]


def named(answer: httpx.Response) -> list[str]:
    return re.findall(r'<span class="event-name"><code>(.+?)</code>', answer.text)


def actions_in_the_code() -> Iterator[str]:
    """Those that are written out where an event is recorded."""
    for part in PARTS:
        for path in sorted((CHECKOUT / part).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    if isinstance(node.func, ast.Name) and node.func.id == "_record":
                        yield from (
                            each.value
                            for each in node.args
                            if isinstance(each, ast.Constant) and isinstance(each.value, str) and "." in each.value
                        )
                    for keyword in node.keywords:
                        value = keyword.value
                        if keyword.arg == "action" and isinstance(value, ast.Constant) and "." in str(value.value):
                            yield str(value.value)


def test_every_action_has_a_sentence_and_a_group() -> None:
    known = set(actions_in_the_code())
    assert len(known) > 40
    assert sorted(known - audit_actions.SENTENCES.keys()) == []
    prefixes = {f"{action.partition('.')[0]}." for action in audit_actions.SENTENCES}
    assert sorted(prefixes - audit_actions.GROUPS.keys() - {"conversation."}) == []


async def test_people_keys_and_the_rest_are_named(portal: httpx.AsyncClient, owner: Enrolled, office: Office) -> None:
    gone = new_id()
    async with office.session() as session:
        for actor in (owner.actor, f"user:{gone}", "api:till", "employee", "retention", "U0SLACK"):
            audit.record(session, tenant_id=office.tenant_id, actor=actor, action="rule.fired")

    fired = "found an escalation rule to hold"
    assert set(told(await portal.get(at(owner), params={"group": "rule."}))) == {
        f"{owner.name} {fired}",
        f"Somebody who left the team {fired}",
        f"API key till {fired}",
        f"The employee {fired}",
        f"Konstruct, by retention {fired}",
        f"U0SLACK {fired}",
    }


async def test_filters_stand_in_the_address_and_hold_together(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    lea, tom = await met(office, "U0LEA", "Lea"), await met(office, "U0TOM", "Tom")
    async with office.session() as session:
        await tenant_settings.change_limits(session, office.tenant_id, {"contact": "5/minute"}, actor=owner.actor)
    conversation = next(each for each in await office.conversations() if each.contact_id == lea)

    assert named(await portal.get(at(owner), params={"actor": owner.actor})) == ["tenant.changed"]
    assert named(await portal.get(at(owner), params={"contact": str(tom)})) == ["message.sent"]
    of_lea = {"conversation": str(conversation.id), "group": "message."}
    page = await portal.get(at(owner), params=of_lea)
    assert named(page) == ["message.sent"]
    assert f'value="{conversation.id}"' in page.text
    assert named(await portal.get(at(owner), params={"employee": "ada"})) == ["message.sent", "message.sent"]
    assert named(await portal.get(at(owner), params={"action": "tenant.changed", "group": "message."})) == [
        "tenant.changed"
    ]
    assert named(await portal.get(at(owner), params={"until": "2020-01-01"})) == []
    nothing = await portal.get(at(owner), params={"since": "2999-01-01"})
    assert "No events are found" in nothing.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("since", "yesterday"), ("conversation", "1"), ("contact", "x"), ("employee", "nobody"), ("until", "2026-13-01")],
)
async def test_a_filter_that_cannot_be_is_told_beside_it(
    portal: httpx.AsyncClient, owner: Enrolled, name: str, value: str
) -> None:
    page = await portal.get(at(owner), params={name: value})

    assert page.status_code == 422
    assert f'id="f-{name}-error" class="field-error" data-error-of="f-{name}">' in page.text


async def test_pages_hold_each_event_once_and_lead_back(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await office.say("Hello?")
    await trail.write(asked.conversation_id, 7)
    monkeypatch.setattr("portal.pages.audit.listing.AT_ONCE", 3)

    url, seen = at(owner, "?group=message."), list[str]()
    counts = []
    while url:
        page = await portal.get(url)
        ids = re.findall(r"/audit/events/([0-9a-f-]{36})", page.text)
        seen += ids
        counts.append(len(ids))
        older = re.search(r'rel="next" href="(.+?)"', page.text)
        url = unescape(older[1]) if older else ""
    assert counts == [3, 3, 1]
    assert len(set(seen)) == 7
    newer = re.search(r'rel="prev" href="(.+?)"', page.text)
    assert newer
    back = await portal.get(unescape(newer[1]))
    assert re.findall(r"/audit/events/([0-9a-f-]{36})", back.text) == seen[3:6]


async def test_an_event_shows_what_was_before_and_after_and_its_place(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office, trail: Trail
) -> None:
    async with office.session() as session:
        await tenant_settings.change_basics(
            session, office.tenant_id, name="Acme <b>& Sons", time_zone="Europe/Vienna", actor=owner.actor
        )
    [event] = await office.events("tenant.changed")

    before_sealing = await portal.get(at(owner, f"/events/{event.id}"))
    await trail.seal()
    page = await portal.get(at(owner, f"/events/{event.id}"))

    rows = re.findall(
        r'<th scope="row">(.+?)</th><td[^>]*><pre[^>]*>(.*?)</pre></td><td[^>]*><pre[^>]*>(.*?)</pre>', page.text
    )
    assert ("Name", "Acme Bikes", "Acme &lt;b&gt;&amp; Sons") in rows
    assert event.hash.hex() in page.text
    assert "Not sealed yet" in before_sealing.text
    assert "Number 1" in page.text
    assert (await portal.get(at(owner, f"/events/{new_id()}"))).status_code == 404


def test_details_are_taken_apart_whatever_shape_they_have() -> None:
    flat = audit_words.told({"before": {"a": 1, "b": "[]"}, "after": {"a": 2, "b": "[]"}, "key": "ada"})
    assert [(each.field, each.before, each.after) for each in flat.changes] == [("A", "1", "2")]
    assert flat.facts == (("Key", "ada"),)
    by_field = audit_words.told({"changes": {"is_archived": {"before": False, "after": True}}})
    assert [(each.field, each.before, each.after) for each in by_field.changes] == [("Is archived", "No", "Yes")]
    plain = audit_words.told({"before": "viewer", "role": "owner"})
    assert [(each.before, each.after) for each in plain.changes] == [("viewer", "–")]
    other = audit_words.told({"changes": ["name"], "nothing": None, "nested": {"a": [1]}})
    assert other.changes == ()
    assert other.facts[:2] == (("Changes", "name"), ("Nothing", "–"))
    assert audit_words.value("{not json") == "{not json"


async def test_a_check_is_asked_for_shown_and_kept(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office, trail: Trail
) -> None:
    asked = await office.say("Hello?")
    await trail.write(asked.conversation_id, 3)
    await trail.seal()

    assert "Not checked yet" in (await portal.get(at(owner, "/checks"))).text
    assert (await portal.post(at(owner, "/checks"))).status_code == 303
    running = await portal.get(at(owner, "/checks"))
    assert "The trail is being checked" in running.text
    assert 'hx-trigger="every 2s"' in running.text
    # One at a time; the second is told so.
    await portal.post(at(owner, "/checks"))
    async with office.session() as session:
        assert len(await checks.listing(session)) == 1
    await check_what_waits(office, trail.anchor_file)

    part = await portal.get(at(owner, "/checks/progress"), headers={"hx-request": "true"})
    assert "The trail is whole" in part.text
    assert "1 of them borne out by anchors" in part.text
    assert "every 2s" not in part.text
    assert "checked" in (await portal.get(at(owner))).text
    [event] = await office.events("audit.checked")
    assert (event.actor, event.detail["outcome"]) == (owner.actor, "whole")


async def test_a_chain_that_was_changed_is_found_and_the_page_says_where(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office, trail: Trail
) -> None:
    asked, other = await office.say("Hello?"), await office.say("Hi!", root="2.0")
    for conversation_id in (asked.conversation_id, other.conversation_id):
        await trail.write(conversation_id, 3)
    await trail.seal()
    async with trail.tampering() as administrator:
        changed = await administrator.fetchval(
            "update audit_events set payload = '{\"number\":9}' where tenant_id = $1 and chain_id = $2 and seq = 2"
            " returning id",
            *(office.tenant_id, asked.conversation_id),
        )

    await portal.post(at(owner, "/checks"))
    await check_what_waits(office, trail.anchor_file)
    page = await portal.get(at(owner, "/checks"))
    assert "The trail is not whole" in page.text
    assert f"/audit/events/{changed}" in page.text
    assert str(asked.conversation_id) in page.text
    assert "something in it was changed" in page.text
    assert "The trail is not whole" in (await portal.get(at(owner))).text

    # Of the other conversation it holds all the same, and that says nothing of the rest.
    await portal.post(at(owner, "/checks"), data={"conversation": str(other.conversation_id)})
    await check_what_waits(office, trail.anchor_file)
    assert "The conversation’s chain is whole" in (await portal.get(at(owner, "/checks"))).text
    assert "The trail is not whole" in (await portal.get(at(owner))).text


async def test_a_conversation_is_checked_against_the_seals_that_hold_it(office: Office, trail: Trail) -> None:
    asked = await office.say("Hello?")
    await trail.write(asked.conversation_id, 3)
    await trail.seal()
    async with trail.tampering():
        await trail.administrator.execute(
            "update audit_events set actor = 'nobody' where tenant_id = $1 and chain_id = $2 and seq = 2",
            *(office.tenant_id, asked.conversation_id),
        )
        # With every hash, leaf and seal made fit: only the anchor outside knows better.
        await trail.rehash(asked.conversation_id, 1)
        await trail.reseal()

    async with office.session() as session:
        check_id = await checks.ask(session, office.tenant_id, asked.conversation_id, actor="test")
    await check_what_waits(office, trail.anchor_file)

    async with office.session() as session:
        check = await checks.get(session, check_id)
    assert check.outcome == "broken"
    assert check.broken is not None
    assert (check.broken["seal"], "its anchor holds another root" in check.broken["what"]) == (1, True)


async def test_a_check_whose_worker_died_does_not_stand_in_the_way(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office.session() as session:
        first = await checks.ask(session, office.tenant_id, actor="test")
    monkeypatch.setattr(checks, "CUT_OFF_AFTER", -checks.BEATS_EVERY)

    async with office.session() as session:
        second = await checks.ask(session, office.tenant_id, actor="test")

    async with office.session() as session:
        found = {each.id: each.outcome for each in await checks.listing(session)}
    assert found == {first: "failed", second: None}


async def test_what_was_anchored_elsewhere_is_said_and_is_no_break(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office, trail: Trail, tmp_path: Path
) -> None:
    asked = await office.say("Hello?")
    await trail.write(asked.conversation_id, 3)
    await trail.seal()

    await portal.post(at(owner, "/checks"))
    await check_what_waits(office, tmp_path / "another.ndjson")

    page = await portal.get(at(owner, "/checks"))
    assert "The trail is whole" in page.text
    assert "1 seal was anchored, but not in the file" in page.text


@pytest.mark.parametrize("typed", ["x", "01a22725-62bc-70bf-8006-9cba6336b5a4"])
async def test_a_conversation_that_is_none_cannot_be_checked(
    portal: httpx.AsyncClient, owner: Enrolled, typed: str
) -> None:
    answer = await portal.post(at(owner, "/checks"), data={"conversation": typed})

    assert answer.status_code == 422
    assert f'value="{typed}"' in answer.text


async def test_an_export_holds_what_the_filters_say_and_bears_its_proof(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office, trail: Trail
) -> None:
    asked = await office.say("Hello?")
    await trail.write(asked.conversation_id, 2_000)

    answer = await portal.post(at(owner, "/export"), data={"conversation": str(asked.conversation_id)})

    assert answer.headers["content-disposition"].endswith('-audit.ndjson"')
    checked = exporting.check(answer.text.splitlines(keepends=True))
    assert (checked.broken, checked.events) == (None, 2_000)
    [event] = await office.events("audit.exported")
    assert event.detail["filters"] == {"conversation_id": str(asked.conversation_id)}
    assert (await portal.post(at(owner, "/export"), data={"since": "soon"})).status_code == 422


async def test_keys_are_named_by_their_names(portal: httpx.AsyncClient, owner: Enrolled, office: Office) -> None:
    async with office.session() as session:
        await api_keys.make(session, office.tenant_id, "till", ["audit:read"], actor=owner.actor)

    page = await portal.get(at(owner), params={"group": "api_key."})

    assert told(page) == [f"{owner.name} made an API key"]
    assert "till" in page.text
