"""What somebody is in the middle of proving: a challenge that was set, and whom it was set for.

It is found by a token that only the browser holds in which it was begun, lasts minutes, and is taken once. A person
who has given a password and not yet the second factor is here and nowhere else: no session is made before both.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import TextClause, text

from konstruct.db import Database
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

Kind = Literal["passkey", "provider", "factor", "sign-up"]

LASTS: Final = timedelta(minutes=10)

_PURPOSE: Final = "ceremony"

_BEGIN: Final = text("select begin_ceremony(:digest, :kind, :sealed, :until)")
_LOOK: Final = text("select look_at_ceremony(:digest, :kind)")
_TAKE: Final = text("select take_ceremony(:digest, :kind)")


async def begin(database: Database, vault: Vault, kind: Kind, facts: Mapping[str, str]) -> SecretStr:
    """The token for the browser, in a cookie that no script reads."""
    token = secrets.token_urlsafe(32)
    digest = _digest(token)
    sealed = vault.seal_own(_PURPOSE, _place(digest), json.dumps(dict(facts)))
    async with database.system_session() as session:
        await session.execute(_BEGIN, {"digest": digest, "kind": kind, "sealed": sealed, "until": utc_now() + LASTS})
    return SecretStr(token)


async def look(database: Database, vault: Vault, kind: Kind, token: str) -> dict[str, str] | None:
    """What was put down when it began; None when it is over, was taken, or never was."""
    return await _found(database, vault, _LOOK, kind, token)


async def take(database: Database, vault: Vault, kind: Kind, token: str) -> dict[str, str] | None:
    """As ``look``, and it is over with that: of two that come with the same token, one gets it."""
    return await _found(database, vault, _TAKE, kind, token)


async def _found(
    database: Database, vault: Vault, statement: TextClause, kind: Kind, token: str
) -> dict[str, str] | None:
    digest = _digest(token)
    async with database.system_session() as session:
        sealed: str | None = await session.scalar(statement, {"digest": digest, "kind": kind})
    if sealed is None:
        return None
    facts: dict[str, str] = json.loads(vault.open_own(_PURPOSE, _place(digest), sealed))
    return facts


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _place(digest: bytes) -> UUID:
    return UUID(bytes=digest[:16])
