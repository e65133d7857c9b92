"""The pages of employees: begun, saved half done, checked, published and gone back to, by who may and nobody else."""

import io
import re
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx
import pytest

from konstruct.accounts.permissions import Role
from konstruct.db import Database
from konstruct.designs import drafting, publishing, versions
from konstruct.designs.content import of_version
from konstruct.designs.drafting import Draft
from konstruct.vault import Vault
from tests.support.members import COOKIE, Enrolled, enrolled
from tests.support.office import Office, open_office
from tests.support.pictures import picture, size_of


def as_(portal: httpx.AsyncClient, who: Enrolled) -> None:
    portal.cookies.set(COOKIE, who.cookie)


@dataclass
class Desk:
    """Somebody of an office with the employee Ada, at the portal."""

    office: Office
    portal: httpx.AsyncClient
    who: Enrolled

    def url(self, path: str = "") -> str:
        return f"/t/{self.who.slug}/employees{path}"

    async def get(self, path: str = "") -> httpx.Response:
        as_(self.portal, self.who)
        return await self.portal.get(self.url(path))

    async def post(self, path: str, data: dict[str, Any] | None = None, files: Any = None) -> httpx.Response:
        as_(self.portal, self.who)
        return await self.portal.post(self.url(path), data=data or {}, files=files)

    async def draft(self, key: str = "ada") -> Draft:
        async with self.office.session() as session:
            return await drafting.read(session, key)


@pytest.fixture
async def desk(office: Office, portal: httpx.AsyncClient) -> Desk:
    who = await enrolled(office.database, office.vault, "admin", office.tenant_id, name="Ana Berg")
    return Desk(office, portal, who)


async def another(desk: Desk, role: Role, name: str = "Ben Cole") -> Desk:
    return Desk(
        desk.office,
        desk.portal,
        await enrolled(desk.office.database, desk.office.vault, role, desk.office.tenant_id, name=name),
    )


ADA: dict[str, Any] = {
    "revision": "0",
    "name": "Ada",
    "role": "Front desk",
    "persona": "Kind.",
    "system_prompt": "Be brief.",
    "hours.mode": "always",
}


def shown(response: httpx.Response) -> str:
    """What a reader sees of a page, on one line."""
    body = re.sub(r"<(script|style|svg|datalist|template)\b.*?</\1>", " ", response.text, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


async def test_a_newcomer_is_led_to_a_first_employee_and_to_its_draft(
    database: Database, vault: Vault, portal: httpx.AsyncClient
) -> None:
    who = await enrolled(database, vault, "owner")
    as_(portal, who)
    base = f"/t/{who.slug}/employees"
    page = await portal.get(base)
    assert "No employees yet" in page.text
    assert f"{base}/new" in page.text

    made = await portal.post(f"{base}/new", data={"start": "support", "name": "Zoë"})

    assert (made.status_code, made.headers["location"]) == (303, f"{base}/zoe")
    page = await portal.get(made.headers["location"])
    assert page.status_code == 200
    assert "Never published" in shown(page)
    assert "You help customers with questions" in page.text
    listed = await portal.get(base)
    assert ("Zoë" in listed.text, "Serves no channel" in listed.text) == (True, True)
    refused = await portal.post(f"{base}/new", data={"start": "blank"})
    assert (refused.status_code, "It needs a name" in refused.text) == (422, True)


async def test_what_is_typed_is_saved_as_a_draft_and_published_after_a_look(desk: Desk) -> None:
    saved = await desk.post("/ada", {**ADA, "name": "Ida", "language": "de", "then": "publish"})
    assert (saved.status_code, saved.headers["location"]) == (303, desk.url("/ada/publish"))

    page = await desk.get("/ada/publish")
    assert "<del>Ada</del>" in page.text
    assert "<ins>Ida</ins>" in page.text
    assert "Publish version 2" in page.text

    done = await desk.post("/ada/publish", {"revision": "1", "over": "1", "note": "A <new> name."})
    assert (done.status_code, done.headers["location"]) == (303, desk.url("/ada"))
    versions = await desk.get("/ada/versions")
    assert "“A <new> name.”" in shown(versions)
    assert "by Ana Berg" in shown(versions)
    assert "Name, Language" in shown(versions)


async def test_nobody_publishes_what_they_have_not_seen(desk: Desk) -> None:
    await desk.post("/ada", {**ADA, "name": "Ida"})
    stale = await desk.post("/ada/publish", {"revision": "0", "over": "1"})
    assert (stale.status_code, "saved by somebody since you looked" in stale.text) == (409, True)
    stale = await desk.post("/ada/publish", {"revision": "1", "over": "0", "note": "Mine"})
    assert (stale.status_code, "was published meanwhile" in stale.text, 'value="Mine"' in stale.text) == (
        409,
        True,
        True,
    )
    await desk.post("/ada", {**ADA, "revision": "1", "role": ""})
    page = await desk.get("/ada/publish")
    assert "It cannot be published yet." in page.text
    assert "Role: fill this in before you publish." in page.text
    refused = await desk.post("/ada/publish", {"revision": "2", "over": "1"})
    assert refused.status_code == 422


async def test_who_saves_second_is_told_who_saved_first_and_keeps_what_they_typed(desk: Desk) -> None:
    ben = await another(desk, "admin")
    assert (await desk.post("/ada", {**ADA, "persona": "Kind and quick."})).status_code == 303

    lost = await ben.post("/ada", {**ADA, "persona": "Kind and slow.", "role": "Sales"})

    assert lost.status_code == 409
    assert "Ana Berg saved this draft" in shown(lost)
    assert "<del>quick</del><ins>slow</ins>" in lost.text
    assert 'value="Sales"' in lost.text
    assert "Discard draft" not in lost.text
    assert (await desk.draft()).content["persona"] == "Kind and quick."
    [revision] = re.findall(r'name="revision" value="(\d+)"', lost.text)
    kept = await ben.post("/ada", {**ADA, "revision": revision, "persona": "Kind and slow.", "role": "Sales"})
    assert kept.status_code == 303
    assert (await desk.draft()).content["role"] == "Sales"


async def test_what_is_wrong_is_told_beside_its_field_and_saved_all_the_same(desk: Desk) -> None:
    wrong = {
        **ADA,
        "caps.steps": "99",
        "models": ["gpt"],
        "hours.mode": "set",
        "hours.mon": "nine to five",
        "rule.0.name": "Rule",
        "rule.0.when": "all",
        "rule.0.then": "hand_off",
    }
    checked = (await desk.post("/ada/check", wrong)).json()
    assert checked["tokens"] == 4
    assert checked["is_ready"] is False
    assert {name: text.partition(":")[0] for name, text in checked["errors"].items()} == {
        "models": "Models, number 1",
        "caps.steps": "Caps",
        "rule.0": "Rule 1, name",
        "hours.mon": "Monday",
    }
    assert "conditions: needs at least one entry" in checked["errors"]["rule.0"]
    assert not (await desk.draft()).is_open
    assert (await desk.post("/ada", wrong)).status_code == 303
    page = await desk.get("/ada")
    assert 'id="f-hours.mon-error"' in page.text
    assert "must be times such as" in page.text
    assert 'value="nine to five"' in page.text


async def test_rows_come_and_go_without_saving(desk: Desk) -> None:
    page = await desk.post("/ada/edit", {**ADA, "name": "Typed", "models": ["a/b", "c/d"], "edit": "models.up.1"})
    assert page.status_code == 200
    assert re.findall(r'name="models"[^>]*value="([^"]+)"', page.text) == ["c/d", "a/b"]
    assert 'value="Typed"' in page.text
    page = await desk.post("/ada/edit", {**ADA, "edit": "rules.add"})
    assert 'name="rule.0.when.0"' in page.text
    assert "Not saved yet" in page.text
    assert (await desk.draft()).revision == 0


async def test_rules_are_tried_on_what_was_said(desk: Desk) -> None:
    await desk.office.exchange("My bike is broken, I want a refund <b>now</b>", root="1.0")
    await desk.office.exchange("Thank you!", root="2.0", contact="U2")
    rules = {
        "rule.0.name": "refunds",
        "rule.0.when": "any",
        "rule.0.when.0": "keyword",
        "rule.0.when.0.v": "refund\nmoney back",
        "rule.0.then": "hand_off",
        "rule.0.priority": "high",
    }

    page = await desk.post("/ada/edit", {**ADA, **rules, "edit": "try"})

    assert "1 of 2 conversations would have met a rule." in shown(page)
    assert "I want a refund <b>now</b>" in shown(page)
    assert "<b>now</b>" not in page.text
    assert 'refunds: The contact wrote "refund".' in shown(page)
    assert "Thank you!" not in page.text
    assert [event.action for event in await desk.office.events("handoff.asked")] == []
    page = await desk.post("/ada/edit", {**ADA, **rules, "rule.0.name": "Not a name", "edit": "try"})
    assert "Correct the rules first." in page.text


async def test_a_picture_is_made_small_and_shown_to_members_alone(desk: Desk, database: Database, vault: Vault) -> None:
    upload = {"upload": ("me.png", io.BytesIO(picture(size=(900, 700))), "image/png")}
    assert (await desk.post("/ada", ADA, files=upload)).status_code == 303
    kept = (await desk.draft()).content["picture"]
    where = f"/t/{desk.who.slug}/employee-pictures/{kept}"

    found = await desk.portal.get(where)

    assert (found.status_code, found.headers["content-type"]) == (200, "image/jpeg")
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert size_of(found.content) == (320, 249)
    stranger = await enrolled(database, vault, "owner")
    as_(desk.portal, stranger)
    assert (await desk.portal.get(where)).status_code == 404
    elsewhere = f"/t/{stranger.slug}/employee-pictures/{kept}"
    assert (await desk.portal.get(elsewhere)).status_code == 404
    refused = await desk.post(
        "/ada",
        {**ADA, "revision": "1", "role": "Typed"},
        files={"upload": ("x.png", io.BytesIO(b"<svg/>"), "image/png")},
    )
    assert (refused.status_code, "The picture cannot be used" in refused.text, 'value="Typed"' in refused.text) == (
        422,
        True,
        True,
    )


async def test_an_earlier_version_is_compared_and_gone_back_to(desk: Desk) -> None:
    await desk.post("/ada", {**ADA, "persona": "Gruff."})
    await desk.post("/ada/publish", {"revision": "1", "over": "1"})

    page = await desk.get("/ada/versions/1?against=published")
    assert "<del>Gruff</del><ins>Kind</ins>" in page.text

    done = await desk.post("/ada/versions/1/restore", {"over": "2", "note": "Too gruff."})
    assert done.status_code == 303
    assert "As version 1" in shown(await desk.get("/ada/versions"))
    stale = await desk.post("/ada/versions/1/restore", {"over": "2"})
    assert (stale.status_code, "was published meanwhile" in stale.text) == (409, True)
    same = await desk.post("/ada/versions/1/restore", {"over": "3"})
    assert (same.status_code, "nothing to go back to" in same.text) == (422, True)
    assert (await desk.get("/ada/versions/9")).status_code == 404
    assert (await desk.get("/ada/versions/1?against=9")).status_code == 404
    assert (await desk.get("/ada/versions/99999999999999")).status_code == 404
    assert "What is in it" in (await desk.get("/ada/versions/1")).text


async def test_drafts_are_discarded_and_brought_back_and_employees_copied_and_archived(desk: Desk) -> None:
    await desk.post("/ada", {**ADA, "name": "Ida"})
    gone = await desk.post("/ada/discard", {"revision": "1"})
    assert gone.status_code == 303
    said = shown(await desk.get("/ada"))
    assert "Undo" in said
    await desk.post("/ada/bring-back")
    assert (await desk.draft()).content["name"] == "Ida"

    copy = await desk.post("/ada/duplicate")
    assert copy.headers["location"] == desk.url("/ida-copy")
    await desk.post("/ada/archive")
    assert "It serves slack. Give these to another employee first" in shown(await desk.get("/ada"))
    await desk.post("/ida-copy/archive")
    listed = shown(await desk.get())
    assert "Archived Ida (copy)" in listed.replace("I Ida", "Ida")
    await desk.post("/ida-copy/unarchive")
    assert (await desk.draft("ida-copy")).archived_at is None


async def test_channels_are_given_to_an_employee_and_back(desk: Desk) -> None:
    await desk.post("/new", {"start": "support", "name": "Otto"})
    await desk.post("/otto/publish", {"revision": "1", "over": "0"})
    served = await desk.post("/otto/serve", {"connection": "slack", "channel": "C7"})
    assert (served.status_code, served.headers["location"]) == (303, desk.url("/otto") + "#channels")
    assert ", C7" in shown(await desk.get())
    await desk.post("/otto/unserve", {"connection": "slack", "channel": "C7"})
    assert "C7 is answered as the rest of its workspace is." in shown(await desk.get())
    assert ", C7" not in shown(await desk.get())
    await desk.post("/otto/serve", {"connection": "slack"})
    assert "Served by Otto" in shown(await desk.get("/otto"))
    await desk.post("/otto/serve", {"connection": "nowhere"})
    assert "There is no such connection." in shown(await desk.get("/otto"))
    assert (await desk.post("/nobody/serve", {"connection": "slack"})).status_code == 404


@pytest.mark.parametrize("role", ["agent", "viewer"])
async def test_who_may_only_look_sees_what_is_there_and_changes_nothing(desk: Desk, role: Role) -> None:
    looker = await another(desk, role)
    page = await looker.get("/ada")
    assert page.status_code == 200
    assert "Save draft</span>" not in page.text
    assert '<fieldset class="designer-fields stack" disabled>' in page.text
    for path in (
        "/new",
        "/ada",
        "/ada/edit",
        "/ada/check",
        "/ada/publish",
        "/ada/discard",
        "/ada/archive",
        "/ada/serve",
    ):
        assert (await looker.post(path, {**ADA, "over": "1", "connection": "slack"})).status_code == 403
    assert (await desk.draft()).revision == 0


async def test_another_tenants_employee_is_not_there(desk: Desk, database: Database, vault: Vault) -> None:
    theirs = await open_office(database, vault)
    async with theirs.session() as session:
        await drafting.create(session, theirs.tenant_id, {"name": "Secret"}, actor="test")
    for path in ("/secret", "/secret/publish", "/secret/versions", "/secret/versions/1"):
        assert (await desk.get(path)).status_code == 404
    for path in ("/secret", "/secret/edit", "/secret/check", "/secret/duplicate", "/secret/archive"):
        assert (await desk.post(path, ADA)).status_code == 404


async def test_a_draft_that_is_older_than_what_a_file_published_says_so_and_takes_it_in(desk: Desk) -> None:
    await desk.post("/ada", {**ADA, "role": "Sales"})
    async with desk.office.session() as session:
        employee = await drafting.locked(session, "ada")
        published = of_version(await versions.called(session, employee.id, 1)) | {"persona": "Gruff."}
        await publishing.add_version(session, employee, published, actor="operator")

    page = await desk.get("/ada")
    assert "Version 2 was published since this draft was begun on version 1." in shown(page)
    assert "published by the command line since this draft was begun" in shown(await desk.get("/ada/publish"))
    await desk.post("/ada/take-in", {"revision": "1"})

    draft = await desk.draft()
    assert (draft.content["persona"], draft.content["role"], draft.is_behind) == ("Gruff.", "Sales", False)


async def test_what_the_draft_still_needs_is_listed_with_a_way_to_each_field(desk: Desk) -> None:
    await desk.post("/new", {"start": "blank", "name": "Nina"})
    page = await desk.get("/nina")
    assert "Before you can publish" in page.text
    assert re.findall(r'<a href="#f-(\w+)">', page.text) == ["role", "system_prompt"]
    for field in ("role", "system_prompt"):
        assert f'id="f-{field}"' in page.text


async def test_what_was_typed_is_text_and_nothing_else(desk: Desk) -> None:
    typed = {
        **ADA,
        "name": "<script>alert(1)</script>",
        "persona": "</textarea><img src=x>",
        "system_prompt": "\n\n {{ 7*7 }}",
    }
    await desk.post("/ada", typed)
    for path in ("/ada", "/ada/publish", ""):
        page = await desk.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x>" not in page.text
    assert (await desk.draft()).content["system_prompt"] == "{{ 7*7 }}"
