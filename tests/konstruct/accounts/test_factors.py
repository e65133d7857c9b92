"""Second factors: codes of an app and from paper, each taken once, and nobody else's."""

import asyncio
import time
from contextlib import suppress
from uuid import UUID

import pyotp
import pytest
from sqlalchemy import update
from sqlmodel import select

from konstruct.accounts import factors, mails, recovery_codes, totp
from konstruct.accounts.sessions import Client
from konstruct.db import Database
from konstruct.errors import TooMany, Unauthentic
from konstruct.limits import LocalLimiter
from konstruct.tables import Authenticator, RecoveryCode
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.members import Enrolled, enrolled

CLIENT = Client("", "192.0.2.7")
SITE = "https://portal.example"


@pytest.fixture
async def ana(database: Database, vault: Vault) -> Enrolled:
    return await enrolled(database, vault)


async def app_of(database: Database, vault: Vault, person: Enrolled) -> pyotp.TOTP:
    """An app that shows the codes of the secret that was just made."""
    async with database.account_session(person.user_id) as session:
        assert await totp.begin(session, vault, person.user_id)
        shown = await totp.attempt(session, vault, person.user_id, person.email)
    assert shown is not None
    app = pyotp.parse_uri(shown.uri)
    assert isinstance(app, pyotp.TOTP)
    assert app.secret == shown.letters.replace(" ", "")
    return app


async def confirm(database: Database, vault: Vault, person: Enrolled, code: str) -> bool:
    async with database.account_session(person.user_id) as session:
        return await totp.confirm(session, vault, person.user_id, code)


async def take(database: Database, vault: Vault, person: Enrolled, code: str) -> bool:
    async with database.account_session(person.user_id) as session:
        return await totp.take(session, vault, person.user_id, code)


async def set_up(database: Database, vault: Vault, person: Enrolled) -> pyotp.TOTP:
    app = await app_of(database, vault, person)
    # The code before this one, so that this one is still to be taken.
    assert await confirm(database, vault, person, app.at(time.time(), counter_offset=-1))
    return app


async def test_an_app_counts_once_it_has_shown_a_right_code(database: Database, vault: Vault, ana: Enrolled) -> None:
    app = await app_of(database, vault, ana)
    code = app.now()

    assert not await take(database, vault, ana, code)
    assert not await confirm(database, vault, ana, "000000" if code != "000000" else "000001")
    assert not await factors.has_second(database, ana.user_id)
    assert await confirm(database, vault, ana, f"{code[:3]} {code[3:]}")
    assert await factors.has_second(database, ana.user_id)


async def test_a_code_is_taken_once_and_none_before_it(database: Database, vault: Vault, ana: Enrolled) -> None:
    app = await app_of(database, vault, ana)
    now = time.time()
    assert await confirm(database, vault, ana, app.at(now))

    assert not await take(database, vault, ana, app.at(now))
    assert not await take(database, vault, ana, app.at(now, counter_offset=-1))
    assert await take(database, vault, ana, app.at(now, counter_offset=1))


async def test_of_two_who_come_at_once_with_a_code_one_is_let_in(
    database: Database, vault: Vault, ana: Enrolled
) -> None:
    app = await set_up(database, vault, ana)
    code = app.now()
    taken = await asyncio.gather(*(take(database, vault, ana, code) for _ in range(4)))
    assert sorted(taken) == [False, False, False, True]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "१२३४५६", "12345a", "½23456", "\0" * 6])
async def test_what_is_no_code_is_none(database: Database, vault: Vault, ana: Enrolled, code: str) -> None:
    await set_up(database, vault, ana)
    assert not await take(database, vault, ana, code)


async def test_a_confirmed_secret_is_neither_shown_nor_replaced(
    database: Database, vault: Vault, ana: Enrolled
) -> None:
    await set_up(database, vault, ana)
    async with database.account_session(ana.user_id) as session:
        assert await totp.attempt(session, vault, ana.user_id, ana.email) is None
        assert not await totp.begin(session, vault, ana.user_id)


async def test_an_attempt_that_lay_about_is_begun_anew(database: Database, vault: Vault, ana: Enrolled) -> None:
    app = await app_of(database, vault, ana)
    async with database.account_session(ana.user_id) as session:
        await session.execute(update(Authenticator).values(created_at=utc_now() - 2 * totp.SET_UP_WITHIN))
    assert not await confirm(database, vault, ana, app.now())


async def test_the_secret_is_kept_sealed_and_opens_for_its_person_alone(
    database: Database, vault: Vault, ana: Enrolled
) -> None:
    app = await set_up(database, vault, ana)
    ben = await enrolled(database, vault)
    await set_up(database, vault, ben)
    async with database.account_session(ana.user_id) as session:
        [row] = (await session.scalars(select(Authenticator))).all()
    assert app.secret not in repr(row)
    async with database.account_session(ben.user_id) as session:
        await session.execute(update(Authenticator).values(sealed=row.sealed))
    with pytest.raises(Exception, match="belongs to another place"):
        await take(database, vault, ben, app.now())


async def codes_of(database: Database, user_id: UUID) -> list[str]:
    async with database.account_session(user_id) as session:
        return [code.get_secret_value() for code in await recovery_codes.replace(session, user_id)]


async def test_each_recovery_code_opens_once(database: Database, vault: Vault, ana: Enrolled) -> None:
    first, second, *_ = codes = await codes_of(database, ana.user_id)
    assert len(set(codes)) == 10
    limiter = LocalLimiter()

    async def check(code: str) -> str:
        return await factors.check_code(database, vault, limiter, SITE, CLIENT, ana.user_id, code)

    assert await check(first.upper().replace("-", " ")) == "recovery_code"
    with pytest.raises(Unauthentic):
        await check(first)
    await codes_of(database, ana.user_id)
    with pytest.raises(Unauthentic):
        await check(second)


async def test_whoever_loses_a_recovery_code_to_somebody_hears_of_it(
    database: Database, vault: Vault, ana: Enrolled
) -> None:
    async with database.account_session(ana.user_id) as session:
        [code, *_] = await recovery_codes.replace(session, ana.user_id)
    for attempt in (code.get_secret_value(), code.get_secret_value(), "wrong-code"):
        with suppress(Unauthentic):
            await factors.check_code(database, vault, LocalLimiter(), SITE, CLIENT, ana.user_id, attempt)
    [told] = [mail.text for mail in await mails.kept(database, vault, 1_000) if mail.to == ana.email]
    assert "a recovery code of your account was just used, of which 9 are left" in told
    assert code.get_secret_value() not in told


async def test_recovery_codes_are_kept_nowhere_and_are_their_persons(
    database: Database, vault: Vault, ana: Enrolled
) -> None:
    code = (await codes_of(database, ana.user_id))[0]
    async with database.account_session(ana.user_id) as session:
        rows = (await session.scalars(select(RecoveryCode))).all()
    assert code not in repr(rows)
    assert code.replace("-", "") not in repr(rows)
    ben = await enrolled(database, vault)
    async with database.account_session(ben.user_id) as session:
        session.add(RecoveryCode(user_id=ben.user_id, digest=rows[0].digest))
    with pytest.raises(Unauthentic):
        await factors.check_code(database, vault, LocalLimiter(), SITE, CLIENT, ben.user_id, code)


async def test_guesses_are_slowed_down(database: Database, vault: Vault, ana: Enrolled) -> None:
    await set_up(database, vault, ana)
    limiter = LocalLimiter()
    for guess in range(5):
        with pytest.raises(Unauthentic):
            await factors.check_code(database, vault, limiter, SITE, CLIENT, ana.user_id, f"00000{guess}")
    with pytest.raises(TooMany):
        await factors.check_code(database, vault, limiter, SITE, CLIENT, ana.user_id, "000005")


async def test_with_the_last_factor_go_the_recovery_codes(database: Database, vault: Vault, ana: Enrolled) -> None:
    await set_up(database, vault, ana)
    async with database.account_session(ana.user_id) as session:
        assert len(await factors.first_codes(session, ana.user_id)) == 10
        assert await factors.first_codes(session, ana.user_id) == []
        assert await factors.remove_app(session, ana.user_id)
        assert await factors.held(session, ana.user_id) == factors.Held(True, False, 0, 0, 0)


async def test_a_tenant_sees_of_its_own_members_whether_they_have_one(
    database: Database, vault: Vault, ana: Enrolled
) -> None:
    ben = await enrolled(database, vault, "agent", ana.tenant_id)
    stranger = await enrolled(database, vault)
    for person in (ben, stranger):
        await set_up(database, vault, person)
    await app_of(database, vault, ana)
    async with database.tenant_session(ana.tenant_id) as session:
        assert await factors.of_members(session) == {ben.user_id}
        assert (await session.scalars(select(Authenticator))).all() == []
    async with database.account_session(ana.user_id) as session:
        assert await factors.of_members(session) == set()
