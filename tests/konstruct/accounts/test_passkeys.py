"""Passkeys: what a browser answers holds for this person, this site and this challenge, or not at all."""

import json
from typing import Any
from uuid import UUID

import pytest

from konstruct.accounts import factors, passkeys
from konstruct.accounts.passkeys import Site
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, NotFound, Unauthentic
from konstruct.tables import Passkey, User
from konstruct.vault import Vault
from tests.support.authenticator import SecurityKey
from tests.support.members import Enrolled, enrolled

SITE = Site.of("https://portal.example:8443/")


def key_of(**traits: Any) -> SecurityKey:
    return SecurityKey(origin=SITE.origin, **traits)


async def register(
    database: Database, person: Enrolled, key: SecurityKey, name: str = "Ana's laptop", **lies: Any
) -> Passkey:
    asked = passkeys.ask_to_register(SITE, person.user_id, person.email, person.name, [])
    answer = key.create(asked.options, **lies)
    async with database.account_session(person.user_id) as session:
        return await passkeys.register(session, SITE, person.user_id, name, challenge=asked.challenge, answer=answer)


async def show(database: Database, user_id: UUID, answer: str, challenge: str) -> Passkey:
    async with database.account_session(user_id) as session:
        return await passkeys.show(session, SITE, user_id, challenge=challenge, answer=answer)


@pytest.fixture
async def ana(database: Database, vault: Vault) -> Enrolled:
    return await enrolled(database, vault)


async def test_a_passkey_says_who_somebody_is(database: Database, ana: Enrolled) -> None:
    key = key_of(is_synced=True)
    made = await register(database, ana, key)
    assert (made.name, made.transports, made.is_synced) == ("Ana's laptop", ["usb"], True)

    asked = passkeys.ask_to_show(SITE)
    answer = key.get(asked.options)

    assert await passkeys.owner(database, answer) == ana.user_id
    shown = await show(database, ana.user_id, answer, asked.challenge)
    assert (shown.id, shown.sign_count) == (made.id, 1)
    assert shown.used_at is not None
    assert await factors.has_second(database, ana.user_id)


async def test_browsers_are_asked_to_check_who_holds_it_and_to_find_it_by_themselves(ana: Enrolled) -> None:
    made = passkeys.ask_to_register(SITE, ana.user_id, ana.email, ana.name, []).options
    assert made["authenticatorSelection"]["residentKey"] == "required"
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["rp"]["id"] == "portal.example"
    assert ana.email.encode() not in json.dumps(made["user"]["id"]).encode()
    assert passkeys.ask_to_show(SITE).options["userVerification"] == "required"


async def test_one_that_is_held_is_not_made_a_second_time(database: Database, vault: Vault, ana: Enrolled) -> None:
    key = key_of()
    made = await register(database, ana, key)
    excluded = passkeys.ask_to_register(SITE, ana.user_id, ana.email, ana.name, [made]).options["excludeCredentials"]
    assert len(excluded) == 1
    with pytest.raises(Conflict):
        await register(database, ana, key)
    with pytest.raises(Conflict):
        await register(database, await enrolled(database, vault), key)


@pytest.mark.parametrize("lies", [{"origin": "https://portal.example.evil"}, {"rp_id": "evil.example"}])
async def test_what_another_site_was_given_is_not_registered(
    database: Database, ana: Enrolled, lies: dict[str, str]
) -> None:
    with pytest.raises(BadInput):
        await register(database, ana, key_of(), **lies)


async def test_one_that_does_not_check_who_holds_it_is_not_registered(database: Database, ana: Enrolled) -> None:
    with pytest.raises(BadInput):
        await register(database, ana, key_of(is_verifying=False))


@pytest.mark.parametrize(
    "lies",
    [
        {"origin": "https://portal.example"},
        {"origin": "http://portal.example:8443"},
        {"rp_id": "example"},
        {"kind": "webauthn.create"},
    ],
)
async def test_what_was_signed_for_another_site_or_purpose_does_not_hold(
    database: Database, ana: Enrolled, lies: dict[str, str]
) -> None:
    key = key_of()
    await register(database, ana, key)
    asked = passkeys.ask_to_show(SITE)
    with pytest.raises(Unauthentic):
        await show(database, ana.user_id, key.get(asked.options, **lies), asked.challenge)


async def test_an_answer_to_another_challenge_does_not_hold(database: Database, ana: Enrolled) -> None:
    key = key_of()
    await register(database, ana, key)
    answer = key.get(passkeys.ask_to_show(SITE).options)
    with pytest.raises(Unauthentic):
        await show(database, ana.user_id, answer, passkeys.ask_to_show(SITE).challenge)


async def test_one_whose_holder_was_not_checked_does_not_hold(database: Database, ana: Enrolled) -> None:
    key = key_of()
    await register(database, ana, key)
    key.is_verifying = False
    asked = passkeys.ask_to_show(SITE)
    with pytest.raises(Unauthentic):
        await show(database, ana.user_id, key.get(asked.options), asked.challenge)


async def test_a_copy_is_known_by_its_count(database: Database, ana: Enrolled) -> None:
    key = key_of(count=4)
    await register(database, ana, key)
    key.is_counting = False
    asked = passkeys.ask_to_show(SITE)
    with pytest.raises(Unauthentic):
        await show(database, ana.user_id, key.get(asked.options), asked.challenge)


async def test_one_that_never_counts_goes_on_working(database: Database, ana: Enrolled) -> None:
    key = key_of(is_counting=False)
    await register(database, ana, key)
    for _ in range(2):
        asked = passkeys.ask_to_show(SITE)
        await show(database, ana.user_id, key.get(asked.options), asked.challenge)


async def test_a_passkey_opens_its_persons_account_alone(database: Database, vault: Vault, ana: Enrolled) -> None:
    key = key_of()
    await register(database, ana, key)
    ben = await enrolled(database, vault)
    asked = passkeys.ask_to_show(SITE)
    with pytest.raises(Unauthentic):
        await show(database, ben.user_id, key.get(asked.options), asked.challenge)
    thief = key_of(credential_id=key.credential_id)
    with pytest.raises(Unauthentic):
        await show(database, ana.user_id, thief.get(asked.options), asked.challenge)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"id": 7}',
        '{"id": "AAAA"}',
        '{"id": "é", "rawId": "é", "type": "public-key", "response": {}}',
        '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "!", "transports": 1}}',
        '"' + "x" * 30_000 + '"',
        "[" * 10_000,
    ],
)
async def test_nonsense_is_turned_down_with_a_sentence(database: Database, ana: Enrolled, answer: str) -> None:
    challenge = passkeys.ask_to_show(SITE).challenge
    with pytest.raises(Unauthentic):
        await passkeys.owner(database, answer)
    with pytest.raises(Unauthentic):
        await show(database, ana.user_id, answer, challenge)
    async with database.account_session(ana.user_id) as session:
        with pytest.raises(BadInput):
            await passkeys.register(session, SITE, ana.user_id, "Key", challenge=challenge, answer=answer)


async def test_a_removed_passkey_opens_nothing(database: Database, vault: Vault, ana: Enrolled) -> None:
    key = key_of()
    made = await register(database, ana, key)
    ben = await enrolled(database, vault)
    async with database.account_session(ben.user_id) as session:
        with pytest.raises(NotFound):
            await factors.remove_passkey(session, ben.user_id, made.id)
    async with database.account_session(ana.user_id) as session:
        await passkeys.rename(session, ana.user_id, made.id, "  Old   laptop ")
        assert await factors.remove_passkey(session, ana.user_id, made.id) == "Old laptop"
    asked = passkeys.ask_to_show(SITE)
    with pytest.raises(Unauthentic, match="not known here"):
        await passkeys.owner(database, key.get(asked.options))


async def test_the_only_way_in_is_not_removed(database: Database, ana: Enrolled) -> None:
    made = await register(database, ana, key_of())
    async with database.account_session(ana.user_id) as session:
        (await session.get_one(User, ana.user_id)).password_hash = None
    async with database.account_session(ana.user_id) as session:
        with pytest.raises(Conflict, match="this passkey alone"):
            await factors.remove_passkey(session, ana.user_id, made.id)


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "zero\u200bwidth"])
async def test_a_passkey_has_a_name_that_can_be_read(database: Database, ana: Enrolled, name: str) -> None:
    with pytest.raises(BadInput):
        await register(database, ana, key_of(), name)


async def test_who_has_lost_everything_is_let_in_by_the_password_again(database: Database, ana: Enrolled) -> None:
    await register(database, ana, key_of())
    async with database.account_session(ana.user_id) as session:
        await factors.first_codes(session, ana.user_id)
        assert await factors.forget(session, ana.user_id)
        assert not await factors.forget(session, ana.user_id)
        assert await factors.held(session, ana.user_id) == factors.Held(True, False, 0, 0, 0)


@pytest.mark.parametrize("transports", [5, {"usb": 1}, "usb", None, [[]]])
async def test_how_a_browser_names_transports_breaks_nothing(
    database: Database, ana: Enrolled, transports: object
) -> None:
    key = key_of()
    asked = passkeys.ask_to_register(SITE, ana.user_id, ana.email, ana.name, [])
    answer = json.loads(key.create(asked.options))
    answer["response"]["transports"] = transports
    async with database.account_session(ana.user_id) as session:
        try:
            await passkeys.register(
                session, SITE, ana.user_id, "A key", challenge=asked.challenge, answer=json.dumps(answer)
            )
        except BadInput:
            assert transports == 5
