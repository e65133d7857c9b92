"""What signing in does the same for who exists and who does not, and what it leaves behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr
from sqlalchemy import event

from konstruct.accounts import resetting, sessions, signing_in, signing_up, throttle
from konstruct.accounts.passwords import Passwords
from konstruct.accounts.signing_up import SignUp
from konstruct.db import Database
from konstruct.errors import TooMany, Unauthentic
from konstruct.identity import new_id
from konstruct.limits import LocalLimiter
from konstruct.tables import User, UserSession
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.konstruct.accounts.conftest import HERE, SITE
from tests.support.members import PASSWORD, enrolled, make_user


class Counted(Passwords):
    def __init__(self) -> None:
        super().__init__()
        self.work: list[str] = []

    async def hash(self, password: str) -> str:
        self.work.append("hash")
        return await super().hash(password)

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        self.work.append("verify")
        return await super().verify(password, hashed)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """All that are sent to Postgres meanwhile."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        sent.append(statement)

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("what", ["sign in", "reset", "sign up"])
async def test_the_same_is_done_whether_an_account_exists_or_not(database: Database, vault: Vault, what: str) -> None:
    """So that how long it takes tells nobody; `python -m benchmarks.sign_in` measures it."""
    passwords, limiter = Counted(), LocalLimiter()
    known = (await enrolled(database, vault)).email
    done = []
    # The first of all makes the hash of nobody, which is kept.
    for email in ("first@example.com", known, f"not-{known}"):
        passwords.work.clear()
        with statements(database) as sent:
            if what == "sign in":
                with pytest.raises(Unauthentic):
                    await signing_in.check_password(database, passwords, limiter, HERE, email, "wrong")
            elif what == "reset":
                await resetting.ask(database, vault, limiter, SITE, HERE, email)
            else:
                wanted = SignUp("Nora", email, SecretStr(PASSWORD), "Lind")
                await signing_up.ask(database, vault, passwords, limiter, SITE, HERE, wanted)
        done.append((list(sent), list(passwords.work)))

    assert done[1] == done[2]
    assert len(done[1][0]) >= 2


async def test_a_hash_that_is_weaker_than_today_is_made_anew(database: Database, passwords: Passwords) -> None:
    user_id = new_id()
    email = f"old-{user_id}@example.com"
    await make_user(database, user_id, email, "Old")
    weak = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8_192, parallelism=1),)).hash(PASSWORD)
    async with database.account_session(user_id) as session:
        (await session.get_one(User, user_id)).password_hash = weak

    assert await signing_in.check_password(database, passwords, LocalLimiter(), HERE, email, PASSWORD) == user_id

    async with database.account_session(user_id) as session:
        hashed = (await session.get_one(User, user_id)).password_hash
    assert hashed is not None
    assert "m=65536" in hashed
    assert await passwords.verify(PASSWORD, hashed) == (True, None)


async def test_who_has_no_password_gets_in_by_none(database: Database, passwords: Passwords) -> None:
    user_id = new_id()
    email = f"none-{user_id}@example.com"
    async with database.account_session(user_id) as session:
        session.add(User(id=user_id, email=email, name="None"))
    for said in ("", "nobody's", PASSWORD):
        with pytest.raises(Unauthentic):
            await signing_in.check_password(database, passwords, LocalLimiter(), HERE, email, said)


async def test_the_wait_grows_with_the_guesses() -> None:
    now = 0.0
    limiter = LocalLimiter(clock=lambda: now)
    waits = []
    for _ in range(70):
        try:
            await throttle.guess(limiter, HERE, "anna@example.com")
        except TooMany as error:
            waits.append(error.retry_after.total_seconds())
            now += waits[-1]
    assert waits == sorted(waits)
    assert waits[0] < 15
    assert 170 < waits[-1] < 190
    # Somebody else, and who is known, need not wait for it.
    await throttle.guess(limiter, HERE, "ben@example.com")
    await throttle.guess(limiter, HERE, "anna@example.com", device="A" * 43)


@pytest.mark.parametrize("column", ["last_seen_at", "created_at"])
async def test_a_session_that_is_idle_or_old_opens_nothing(database: Database, vault: Vault, column: str) -> None:
    anna = await enrolled(database, vault)
    longest = {"last_seen_at": sessions.IDLE, "created_at": sessions.ABSOLUTE}[column]
    async with database.account_session(anna.user_id) as session:
        row = await session.get_one(UserSession, (anna.user_id, anna.session_id))
        setattr(row, column, utc_now() - longest)

    assert await sessions.find(database, anna.cookie) is None


async def test_a_session_is_seen_and_goes_on(database: Database, vault: Vault) -> None:
    anna = await enrolled(database, vault)
    before = utc_now() - sessions.IDLE / 2
    async with database.account_session(anna.user_id) as session:
        (await session.get_one(UserSession, (anna.user_id, anna.session_id))).last_seen_at = before

    assert await sessions.find(database, anna.cookie) is not None

    async with database.account_session(anna.user_id) as session:
        assert (await session.get_one(UserSession, (anna.user_id, anna.session_id))).last_seen_at > before
