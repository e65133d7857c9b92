"""Mails to people, put down in the transaction that they tell of and carried to the mail server afterwards.

A mail is lent out for a while and removed when the server has it: whoever is killed on the way leaves it to the next.
Where no server is set they stay where they are for a day, and on the one-machine stack can be read there.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.accounts import sessions
from konstruct.db import Database
from konstruct.errors import MailRefused, MailUnavailable, Misconfigured, Unavailable
from konstruct.ports import Mail, Mailer
from konstruct.tables import QueuedMail
from konstruct.vault import Vault

log = structlog.get_logger(__name__)

KEPT_FOR: Final = timedelta(days=1)
LOOKED_AFTER_EVERY: Final = timedelta(seconds=15)
_PURPOSE: Final = "mail"
_AT_ONCE: Final = 10


@dataclass(frozen=True)
class KeptMail:
    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    created_at: datetime


def put(session: AsyncSession, vault: Vault, mail: Mail) -> None:
    """It is sent when the transaction has committed, and only then. Sealed, since it may carry a link that lets in."""
    content = json.dumps({"to": mail.to, "subject": mail.subject, "text": mail.text})
    session.add(QueuedMail(id=mail.message_id, sealed=vault.seal_own(_PURPOSE, mail.message_id, content)))


async def kept(database: Database, vault: Vault, at_most: int = 50) -> list[KeptMail]:
    """Those that were not sent, the newest first."""
    async with database.system_session() as session:
        rows = (await session.execute(text("select * from kept_mails(:most)"), {"most": at_most})).all()
    mails = []
    for row in rows:
        mail = _opened(vault, row.id, row.sealed)
        mails.append(KeptMail(", ".join(mail.to), mail.subject, mail.text, row.created_at))
    return mails


async def carry(database: Database, vault: Vault, mailer: Mailer) -> int:
    """How many of those that are due were taken by the server, or will never be."""
    async with database.system_session() as session:
        rows = (await session.execute(text("select * from take_mails(:most)"), {"most": _AT_ONCE})).all()
    outcomes = await asyncio.gather(*(_send(vault, mailer, row.id, row.sealed, row.attempts) for row in rows))
    settled = [row.id for row, is_settled in zip(rows, outcomes, strict=True) if is_settled]
    await _forget(database, settled)
    return len(settled)


async def _send(vault: Vault, mailer: Mailer, mail_id: UUID, sealed: str, attempts: int) -> bool:
    try:
        await mailer.send(_opened(vault, mail_id, sealed))
    except MailUnavailable as error:
        log.info("account_mail.postponed", mail_id=str(mail_id), attempts=attempts, error=str(error))
        return False
    except (MailRefused, Misconfigured) as error:
        log.warning("account_mail.refused", mail_id=str(mail_id), error=str(error))
    return True


def _opened(vault: Vault, mail_id: UUID, sealed: str) -> Mail:
    content = json.loads(vault.open_own(_PURPOSE, mail_id, sealed))
    return Mail(mail_id, tuple(content["to"]), content["subject"], content["text"])


async def _forget(database: Database, ids: Sequence[UUID]) -> None:
    async with database.system_session() as session:
        for mail_id in ids:
            await session.execute(text("select forget_mail(:id)"), {"id": mail_id})


async def forget_expired(database: Database) -> None:
    """Removes links and sessions that open nothing any more, and mails that could not be sent for a day."""
    async with database.system_session() as session:
        await session.execute(
            text("select forget_expired_accounts(:idle, :absolute, :unsent)"),
            {"idle": sessions.IDLE, "absolute": sessions.ABSOLUTE, "unsent": KEPT_FOR},
        )


async def look_after(
    database: Database,
    vault: Vault,
    mailer: Mailer | None,
    is_due: asyncio.Event,
    write: Callable[[], Awaitable[None]],
) -> None:
    """Carries mails, at once when ``is_due`` is set, and clears up; until it is cancelled.

    ``write``: puts mails down for what was only noted so far.
    """
    while True:
        try:
            await write()
            while mailer is not None and await carry(database, vault, mailer):
                pass
            await forget_expired(database)
        except Unavailable:
            log.info("account_mail.waits")
        except Exception:
            # Whatever it was, the mails that come later are to be sent.
            log.exception("account_mail.failed")
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKED_AFTER_EVERY.total_seconds()):
                await is_due.wait()
        is_due.clear()
