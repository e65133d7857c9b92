"""Saved replies: each under one key, held to what can be used, and had back after they were removed."""

from typing import Any

import pytest

from konstruct import saved_replies
from konstruct.errors import Conflict, Mistakes, NotFound
from konstruct.tables import CannedReply
from tests.support.office import Office


async def put(office: Office, key: str = "returns", title: str = "Returns", text: str = "Send it.", **how: Any) -> str:
    async with office.session() as session:
        return await saved_replies.put(session, office.tenant_id, key, title, text, actor="test", **how)


async def remove(office: Office, key: str) -> None:
    async with office.session() as session:
        await saved_replies.remove(session, office.tenant_id, key, actor="test")


async def restore(office: Office, key: str) -> None:
    async with office.session() as session:
        await saved_replies.restore(session, office.tenant_id, key, actor="test")


async def kept(office: Office) -> list[tuple[str, str]]:
    async with office.session() as session:
        return [(each.key, each.body) for each in await saved_replies.listing(session)]


async def test_they_are_listed_by_their_keys(office: Office) -> None:
    assert await put(office, "/Returns ") == "returns"
    await put(office, "hello", text=" Hello!\r\nHow are you? ")
    assert await kept(office) == [("hello", "Hello!\nHow are you?"), ("returns", "Send it.")]


async def test_one_is_changed_under_another_key(office: Office) -> None:
    await put(office)
    await put(office, "back", text="Send it back.", former="returns")
    assert await kept(office) == [("back", "Send it back.")]


async def test_a_key_is_one_replys(office: Office) -> None:
    await put(office)
    await put(office, "hello")
    for how in ({}, {"former": "hello"}):
        with pytest.raises(Mistakes) as refused:
            await put(office, "returns", **how)
        assert refused.value.fields.keys() == {"key"}
    await put(office, "returns", text="Changed.", may_exist=True)
    assert ("returns", "Changed.") in await kept(office)


async def test_one_that_was_removed_is_had_back(office: Office) -> None:
    await put(office)
    await remove(office, "returns")
    assert await kept(office) == []
    with pytest.raises(NotFound):
        await remove(office, "returns")
    await restore(office, "returns")
    await restore(office, "returns")
    assert await kept(office) == [("returns", "Send it.")]


async def test_another_takes_the_key_of_one_that_was_removed(office: Office) -> None:
    await put(office)
    await remove(office, "returns")
    await put(office, text="Another.")
    assert await kept(office) == [("returns", "Another.")]
    assert len(await office.rows(CannedReply)) == 1


async def test_there_are_not_too_many(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_replies, "MOST", 1)
    await put(office)
    with pytest.raises(Conflict, match="as many as there can be"):
        await put(office, "hello")
    await put(office, text="Changed.", former="returns")
    await remove(office, "returns")
    await put(office, "hello")
    with pytest.raises(Conflict):
        await restore(office, "returns")


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({"key": ""}, {"key"}),
        ({"key": "with space"}, {"key"}),
        ({"key": "x" * 41}, {"key"}),
        ({"key": "new"}, {"key"}),
        ({"title": " "}, {"title"}),
        ({"title": "two\nlines"}, {"title"}),
        ({"text": ""}, {"text"}),
        ({"text": "x" * 4_001}, {"text"}),
        ({"text": "Hi {name}"}, {"text"}),
        ({"key": "", "title": "", "text": ""}, {"key", "title", "text"}),
    ],
)
async def test_what_cannot_be_used_is_said_field_by_field(
    office: Office, wanted: dict[str, str], fields: set[str]
) -> None:
    with pytest.raises(Mistakes) as refused:
        await put(office, **wanted)
    assert refused.value.fields.keys() == fields
    assert await kept(office) == []


@pytest.mark.parametrize(
    ("text", "contact", "shown"),
    [
        ("Hi {contact}, {agent} of {business} here.", "Ana", "Hi Ana, Grace of Acme here."),
        ("Hi {contact}, {agent} of {business} here.", "", "Hi, Grace of Acme here."),
        ("{contact}", "{agent}", "{agent}"),
    ],
)
def test_names_come_in_their_places(text: str, contact: str, shown: str) -> None:
    assert saved_replies.filled(text, contact=contact, agent="Grace", business="Acme") == shown
