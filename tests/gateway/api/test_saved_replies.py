"""Saved replies over the API."""

import pytest

from konstruct.db import Database
from konstruct.vault import Vault
from tests.gateway.programs import Program, program_of
from tests.support.office import open_office

REPLY = {"title": "Returns", "text": "Send it back, {contact}."}


async def test_one_is_put_shown_listed_and_removed(program: Program) -> None:
    for title in ("Returns", "How to return"):
        put = await program.call("PUT", "/saved-replies/returns", {**REPLY, "title": title})
        assert (put.status, put.body["title"]) == (200, title)
    shown = await program.get("/saved-replies/returns")
    assert (shown.body["key"], shown.body["text"]) == ("returns", REPLY["text"])
    assert [each["key"] for each in (await program.get("/saved-replies")).body["replies"]] == ["returns"]
    assert (await program.call("DELETE", "/saved-replies/returns")).status == 204
    assert (await program.call("DELETE", "/saved-replies/returns")).status == 404
    assert (await program.get("/saved-replies")).body["replies"] == []


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("Returns", REPLY),
        ("new", REPLY),
        ("returns", {**REPLY, "text": "{name}"}),
        ("returns", {**REPLY, "title": ""}),
        ("returns", {**REPLY, "colour": "red"}),
    ],
)
async def test_what_cannot_be_used_is_refused(program: Program, key: str, body: dict[str, str]) -> None:
    assert (await program.call("PUT", f"/saved-replies/{key}", body)).status == 422
    assert (await program.get("/saved-replies")).body["replies"] == []


async def test_another_tenants_are_not_there(api: str, program: Program, database: Database, vault: Vault) -> None:
    await program.call("PUT", "/saved-replies/returns", REPLY)
    other = await program_of(await open_office(database, vault), api)
    assert (await other.get("/saved-replies/returns")).status == 404
    assert (await other.call("DELETE", "/saved-replies/returns")).status == 404
