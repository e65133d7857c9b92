"""Mails that are put down with what they tell of, and carried to a mail server that may be away."""

import asyncio
from collections.abc import AsyncIterator
from email.headerregistry import Address

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from konstruct.accounts import mails
from konstruct.adapters.mail import SmtpMailer, server_at
from konstruct.db import Database
from konstruct.errors import Misconfigured
from konstruct.identity import new_id
from konstruct.ports import Mail
from konstruct.vault import Vault
from tests.support.mail_double import MailDouble, open_mail_double


@pytest.fixture
async def server() -> AsyncIterator[MailDouble]:
    async with open_mail_double() as double:
        yield double


def mailer(server: MailDouble) -> SmtpMailer:
    address = server_at(SecretStr(f"smtp://127.0.0.1:{server.port}"))
    return SmtpMailer(address, Address("Konstruct", addr_spec="konstruct@example.com"))


@pytest.fixture
async def letter(database: Database, vault: Vault) -> AsyncIterator[Mail]:
    """Put down, and nothing else."""
    async with database.system_session() as session:
        await session.execute(text("select forget_mail(id) from kept_mails(100000)"))
    mail = Mail(new_id(), (f"anna-{new_id()}@example.com",), "Hello", "A link: https://example.com/x")
    async with database.account_session(new_id()) as session:
        mails.put(session, vault, mail)
    yield mail
    await mails._forget(database, [mail.message_id])


async def is_kept(database: Database, vault: Vault, mail: Mail) -> bool:
    return mail.to[0] in {kept.to for kept in await mails.kept(database, vault, 1_000)}


async def test_a_mail_is_sent_once_and_gone(database: Database, vault: Vault, server: MailDouble, letter: Mail) -> None:
    counts = await asyncio.gather(*(mails.carry(database, vault, mailer(server)) for _ in range(4)))

    assert sum(counts) == 1
    assert [received.recipients for received in server.inbox] == [list(letter.to)]
    assert not await is_kept(database, vault, letter)


async def test_a_mail_waits_for_a_server_that_is_away(
    database: Database, vault: Vault, server: MailDouble, letter: Mail
) -> None:
    server.says["MAIL"] = "451 Try again later"
    assert await mails.carry(database, vault, mailer(server)) == 0
    assert await is_kept(database, vault, letter)
    # It is lent out: nobody else tries it at once.
    del server.says["MAIL"]
    assert await mails.carry(database, vault, mailer(server)) == 0
    assert server.inbox == []


async def test_a_mail_that_is_refused_is_let_go_of(
    database: Database, vault: Vault, server: MailDouble, letter: Mail
) -> None:
    server.says["MAIL"] = "550 Not from you"
    assert await mails.carry(database, vault, mailer(server)) == 1
    assert not await is_kept(database, vault, letter)


async def test_what_is_undone_is_not_told_of(database: Database, vault: Vault, letter: Mail) -> None:
    mail = Mail(new_id(), ("undone@example.com",), "Hello", "Hello")

    async def fail() -> None:
        async with database.account_session(new_id()) as session:
            mails.put(session, vault, mail)
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert not await is_kept(database, vault, mail)


async def test_what_is_sealed_opens_in_its_place_alone(database: Database, vault: Vault, letter: Mail) -> None:
    sealed = vault.seal_own("mail", letter.message_id, "{}")
    with pytest.raises(Misconfigured):
        vault.open_own("mail", new_id(), sealed)
    with pytest.raises(Misconfigured):
        vault.open_own("other", letter.message_id, sealed)
