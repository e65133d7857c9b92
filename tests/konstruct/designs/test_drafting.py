"""Drafts: kept half done, shared without anything being lost, taken back, and never seen by who is served."""

import asyncio
from typing import Any

import pytest
from sqlmodel import select

from konstruct import employees
from konstruct.designs import drafting, pictures
from konstruct.designs.checking import check, problems, surroundings
from konstruct.designs.drafting import Draft, Overtaken
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.identity import new_id
from konstruct.tables import EmployeeVersion
from tests.konstruct.designs.studio import ANA, BEN, Studio


async def test_a_draft_is_kept_and_nobody_who_is_served_sees_it(studio: Studio) -> None:
    asked = await studio.office.say()

    draft = await studio.save(name="Ida", persona="")

    assert isinstance(draft, Draft)
    assert (draft.revision, draft.is_open, draft.base_version, draft.saved_by) == (1, True, 1, ANA)
    assert (await studio.read()).content["name"] == "Ida"
    async with studio.office.session() as session:
        assert (await employees.serving(session, asked.conversation_id)).name == "Ada"
    [event] = await studio.office.events("employee.draft_saved")
    assert (event.actor, event.detail["changes"]["name"]) == (ANA, {"before": "Ada", "after": "Ida"})
    assert "Kind." not in str(event.detail)


async def test_who_saves_on_top_of_what_they_did_not_see_is_told_who_did_and_nothing_is_lost(studio: Studio) -> None:
    await studio.save(by=ANA, name="Ida", revision=0)

    lost = await studio.save(by=BEN, role="Sales", revision=0)

    assert isinstance(lost, Overtaken)
    assert (lost.draft.saved_by, lost.draft.content["name"], lost.draft.revision) == (ANA, "Ida", 1)
    assert (await studio.read()).content["role"] == "Front desk"
    again = await studio.save(by=BEN, role="Sales", revision=1)
    assert isinstance(again, Draft)
    assert (again.content["name"], again.content["role"]) == ("Ida", "Sales")


async def test_of_two_who_save_at_once_one_wins(studio: Studio) -> None:
    outcomes = await asyncio.gather(*(studio.save(by=f"user:{n}", name=f"Name {n}", revision=0) for n in range(6)))

    won = [each for each in outcomes if isinstance(each, Draft)]
    assert len(won) == 1
    assert (await studio.read()).content == won[0].content
    assert {each.draft.saved_by for each in outcomes if isinstance(each, Overtaken)} == {won[0].saved_by}
    assert len(await studio.office.events("employee.draft_saved")) == 1


async def test_what_equals_the_published_version_is_no_draft(studio: Studio) -> None:
    same = await studio.save()
    assert isinstance(same, Draft)
    assert (same.is_open, same.revision) == (False, 0)
    await studio.save(name="Ida")
    back = await studio.save(name="Ada")
    assert isinstance(back, Draft)
    assert (back.is_open, back.revision, back.was_discarded) == (False, 2, False)


async def test_a_discarded_draft_can_be_brought_back_until_something_else_is_saved(studio: Studio) -> None:
    await studio.save(name="Ida")
    async with studio.office.session() as session:
        gone = await drafting.discard(session, "ada", revision=1, actor=ANA)
    assert isinstance(gone, Draft)
    assert (gone.is_open, gone.content["name"], gone.was_discarded) == (False, "Ada", True)

    async with studio.office.session() as session:
        back = await drafting.bring_back(session, "ada", revision=2, actor=ANA)
    assert isinstance(back, Draft)
    assert (back.is_open, back.content["name"], back.revision) == (True, "Ida", 3)

    async with studio.office.session() as session:
        await drafting.discard(session, "ada", revision=3, actor=ANA)
    await studio.save(role="Sales")
    async with studio.office.session() as session:
        with pytest.raises(Conflict, match="no discarded draft"):
            await drafting.bring_back(session, "ada", revision=5, actor=ANA)


async def test_a_new_employee_begins_as_a_draft_with_a_key_of_its_own(studio: Studio) -> None:
    keys = await asyncio.gather(*(studio.hire(name="Zoë Müller!") for _ in range(4)))
    assert sorted(keys) == ["zoe-muller", "zoe-muller-2", "zoe-muller-3", "zoe-muller-4"]
    assert await studio.hire(name="42") == "employee-42"
    draft = await studio.read("zoe-muller")
    assert (draft.published_version, draft.is_open) == (0, True)
    async with studio.office.session() as session:
        with pytest.raises(Conflict, match="never published"):
            await drafting.discard(session, "zoe-muller", revision=1, actor=ANA)
        with pytest.raises(BadInput, match="needs a name"):
            await drafting.create(session, studio.office.tenant_id, {"name": " "}, actor=ANA)


async def test_each_start_can_be_published_as_it_is_but_the_blank_one(studio: Studio) -> None:
    for start in ("support", "sales", "people", "helpdesk"):
        key = await studio.hire(start)
        async with studio.office.session() as session:
            assert not problems((await drafting.read(session, key)).content, await surroundings(session))
    blank = await studio.hire("blank", name="Nina")
    async with studio.office.session() as session:
        content, around = (await drafting.read(session, blank)).content, await surroundings(session)
    found = problems(content, around)
    with pytest.raises(BadInput) as refused:
        check(content, around)
    assert str(refused.value) == "Role is missing.\nSystem prompt is missing."
    assert [(each.field, each.is_missing) for each in found] == [("role", True), ("system_prompt", True)]


async def test_a_copy_is_of_the_draft_and_is_its_own(studio: Studio) -> None:
    await studio.save(role="Sales")
    async with studio.office.session() as session:
        copy = await drafting.duplicate(session, "ada", actor=BEN)
    await studio.save(role="Front desk")
    content = (await studio.read(copy.key)).content
    assert (copy.key, content["name"], content["role"]) == ("ada-copy", "Ada (copy)", "Sales")


@pytest.mark.parametrize(
    ("changes", "where", "sentence"),
    [
        ({"name": "x" * 81}, ("name",), "is longer than 80 characters"),
        ({"models": ["gpt"]}, ("models", 0), "must be provider/model"),
        ({"tools": [{"name": "steal"}]}, ("tools", 0, "name"), "there is no such tool"),
        ({"knowledge": ["nowhere"]}, ("knowledge", 0), "there is no such source"),
        ({"caps": {"steps": 99}}, ("caps", "steps"), "must be at most 30"),
        ({"language": "xx"}, ("language",), "must be a language's two letters"),
        ({"hours": {"mon": "9 to 5"}}, ("hours", "mon"), "must be times such as"),
        ({"hours": {"mon": "09:00-12:00, 11:00-17:00"}}, ("hours",), "mon begins before"),
        ({"hours": {"mon": "09:00-12:00", "time_zone": "Mars"}}, ("hours", "time_zone"), "must be a time zone"),
        (
            {"escalation": [{"name": "r", "when": {"pattern": "("}, "then": {"tell": {}}}]},
            ("escalation", 0, "when", "pattern"),
            "",
        ),
        (
            {"escalation": [{"name": "r", "when": {"turns": 3}, "then": {"hand_off": {"to": "nobody"}}}]},
            ("escalation", 0, "then", "hand_off", "to"),
            "names nobody of the hand-off groups",
        ),
    ],
)
async def test_what_is_wrong_is_kept_and_told_and_not_published(
    studio: Studio, changes: dict[str, Any], where: tuple[object, ...], sentence: str
) -> None:
    draft = await studio.save(**changes)
    assert isinstance(draft, Draft)
    async with studio.office.session() as session:
        [problem] = problems(draft.content, await surroundings(session))
    assert problem.loc == where
    assert sentence in problem.sentence
    assert not problem.is_missing
    with pytest.raises(BadInput):
        await studio.publish()


async def test_what_no_form_sends_is_refused(studio: Studio) -> None:
    for changes in ({"tools": "all"}, {"other": 1}, {"picture": "x"}, {"picture": str(new_id())}, {"name": None}):
        with pytest.raises(BadInput):
            await studio.save(**changes)
    with pytest.raises(BadInput, match="too long"):
        await studio.save(persona="x" * 200_001)
    with pytest.raises(NotFound):
        await studio.read("nobody")
    draft = await studio.save(persona="a\x00b\ud800c\r\nd")
    assert isinstance(draft, Draft)
    assert draft.content["persona"] == "abc\nd"


async def test_a_picture_is_kept_and_named_by_drafts_and_versions(studio: Studio) -> None:
    async with studio.office.session() as session:
        with pytest.raises(BadInput, match="small enough"):
            await pictures.keep(session, studio.office.tenant_id, b"<svg/>")
        picture = await pictures.keep(session, studio.office.tenant_id, b"\xff\xd8\xffcanary")
    await studio.save(picture=str(picture))
    await studio.publish()
    async with studio.office.session() as session:
        version = (await session.scalars(select(EmployeeVersion).where(EmployeeVersion.number == 2))).one()
        assert version.picture == picture
        assert await pictures.get(session, studio.office.tenant_id, picture) == b"\xff\xd8\xffcanary"
        with pytest.raises(NotFound):
            await pictures.get(session, studio.office.tenant_id, new_id())
