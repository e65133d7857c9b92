"""Keys of the API: shown once, never stored, good for one tenant and its scopes until they are revoked."""

import asyncio

import pytest
from sqlmodel import select

from konstruct import api_keys
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, NotFound, Unauthentic
from konstruct.tables import ApiKey
from konstruct.vault import Vault
from tests.support.office import Office, open_office


async def make(office: Office, name: str = "back-office", *scopes: str) -> str:
    async with office.session() as session:
        key = await api_keys.make(session, office.tenant_id, name, scopes or ("approvals:read",), actor="operator")
    return key.get_secret_value()


async def revoke(office: Office, name: str = "back-office") -> bool:
    async with office.session() as session:
        return await api_keys.revoke(session, office.tenant_id, name, actor="operator")


async def test_a_key_says_whose_it_is_and_what_it_may_do(database: Database, office: Office) -> None:
    key = await make(office, "back-office", "knowledge:write", "approvals:read")

    found = await api_keys.find(database, key)

    assert found.tenant_id == office.tenant_id
    assert found.scopes == {"approvals:read", "knowledge:write"}
    async with office.session() as session:
        assert await api_keys.actor_of(session, found.key_id) == "api:back-office"


async def test_the_key_itself_is_kept_nowhere(office: Office) -> None:
    key = await make(office)

    async with office.session() as session:
        [row] = (await session.scalars(select(ApiKey))).all()
    assert key.removeprefix("kst_") not in repr(row) + repr(await office.events("api_key.created"))
    assert len(row.digest) == 32


async def test_no_two_keys_are_alike(office: Office) -> None:
    keys = {await make(office, f"key-{number}") for number in range(20)}

    assert len(keys) == 20
    assert {len(key) for key in keys} == {47}


@pytest.mark.parametrize("changed", ["", "kst_", "x", "longer", "upper", "other prefix", "NUL", "not ASCII"])
async def test_what_is_no_key_finds_nobody(database: Database, office: Office, changed: str) -> None:
    key = await make(office)
    tried = {
        "": "",
        "kst_": "kst_",
        "x": key[:-1] + ("A" if key[-1] != "A" else "Q"),
        "longer": key + "A",
        "upper": key.upper(),
        "other prefix": "xst_" + key[4:],
        "NUL": key[:-1] + "\0",
        "not ASCII": key[:-1] + "é",
    }[changed]

    with pytest.raises(Unauthentic):
        await api_keys.find(database, tried)


async def test_a_revoked_key_opens_nothing_and_keeps_its_name(database: Database, office: Office) -> None:
    key = await make(office)
    found = await api_keys.find(database, key)

    assert await revoke(office)
    assert not await revoke(office)

    with pytest.raises(Unauthentic):
        await api_keys.find(database, key)
    with pytest.raises(Conflict, match="choose another name"):
        await make(office)
    async with office.session() as session:
        with pytest.raises(Unauthentic, match="revoked"):
            await api_keys.actor_of(session, found.key_id)
        [known] = await api_keys.listing(session)
    assert known.revoked_at is not None


async def test_two_who_want_the_same_name_at_once_do_not_both_get_it(office: Office) -> None:
    outcomes = await asyncio.gather(*(make(office) for _ in range(5)), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == [*["Conflict"] * 4, "str"]


async def test_two_tenants_may_use_the_same_name(database: Database, vault: Vault, office: Office) -> None:
    other = await open_office(database, vault)

    for of in (office, other):
        assert (await api_keys.find(database, await make(of))).tenant_id == of.tenant_id


@pytest.mark.parametrize("name", ["", "Back office", "1st", "a" * 64, "a\n", "é"])
async def test_a_name_that_cannot_be_one_is_refused(office: Office, name: str) -> None:
    with pytest.raises(BadInput, match="lower-case"):
        await make(office, name)


@pytest.mark.parametrize("scopes", [[], ["approvals:read", "everything"]])
async def test_a_key_needs_scopes_that_exist(office: Office, scopes: list[str]) -> None:
    with pytest.raises(BadInput, match="approvals:read, approvals:decide"):
        async with office.session() as session:
            await api_keys.make(session, office.tenant_id, "back-office", scopes, actor="operator")


async def test_a_key_that_is_not_there_cannot_be_revoked(office: Office) -> None:
    with pytest.raises(NotFound, match="back-office"):
        await revoke(office)


async def test_making_and_revoking_are_in_the_audit_trail(office: Office) -> None:
    await make(office)
    await revoke(office)
    await revoke(office)

    assert [action for action in await office.actions() if action.startswith("api_key")] == [
        "api_key.created",
        "api_key.revoked",
    ]


async def test_a_key_tells_when_it_was_last_used(database: Database, office: Office) -> None:
    key = await make(office)
    async with office.session() as session:
        assert [known.last_used_at for known in await api_keys.listing(session)] == [None]
    await api_keys.find(database, key)
    async with office.session() as session:
        [known] = await api_keys.listing(session)
    assert known.last_used_at is not None
    await api_keys.find(database, key)
    async with office.session() as session:
        # Not noted each time: it is to within minutes, and each note waits for the one before.
        assert [again.last_used_at for again in await api_keys.listing(session)] == [known.last_used_at]
