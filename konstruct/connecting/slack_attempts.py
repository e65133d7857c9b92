"""Sending a person to Slack and knowing them again when they come back: the state of OAuth.

It is good once, for minutes, for the person who began, signed in as they were, and in the same browser. Only digests of
it are kept.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.errors import BadInput, Conflict, NotAllowed
from konstruct.identity import TenantId
from konstruct.tables import SlackAttempt
from konstruct.tables.base import utc_now

GOOD_FOR: Final = timedelta(minutes=10)

_IN_HAND: Final = re.compile("[A-Za-z0-9_-]{43}")
UNKNOWN: Final = "This answer from Slack belongs to nothing that was begun here. Press “Add to Slack” again."


@dataclass(frozen=True)
class Begun:
    state: str = field(repr=False)
    """Goes to Slack and comes back."""
    in_hand: str = field(repr=False)
    """Stays with the browser."""


@dataclass(frozen=True)
class Who:
    """Who is at it, as the portal knows them."""

    user_id: UUID
    session_id: UUID

    @property
    def actor(self) -> str:
        return f"user:{self.user_id}"


def tenant_of(state: str) -> TenantId:
    """Whose the attempt says that it is, which it has yet to prove. Raises BadInput for what is no state of ours."""
    try:
        return TenantId(UUID(hex=state.partition(".")[0]))
    except ValueError:
        raise BadInput(UNKNOWN) from None


async def begin(
    session: AsyncSession, tenant_id: TenantId, who: Who, *, employee_id: UUID, redirect_uri: str, in_hand: str = ""
) -> Begun:
    """``in_hand``: what the browser holds already of an attempt that it began before."""
    now = utc_now()
    await session.execute(delete(SlackAttempt).where(col(SlackAttempt.expires_at) < now - GOOD_FOR))
    is_ours = _IN_HAND.fullmatch(in_hand) is not None
    begun = Begun(f"{tenant_id.hex}.{secrets.token_urlsafe(32)}", in_hand if is_ours else secrets.token_urlsafe(32))
    session.add(
        SlackAttempt(
            tenant_id=tenant_id,
            digest=_digest(begun.state),
            browser_digest=_digest(begun.in_hand),
            user_id=who.user_id,
            session_id=who.session_id,
            employee_id=employee_id,
            redirect_uri=redirect_uri,
            created_at=now,
            expires_at=now + GOOD_FOR,
        )
    )
    audit.record(session, tenant_id=tenant_id, actor=who.actor, action="connection.slack_begun")
    return begun


async def use(session: AsyncSession, state: str, who: Who, in_hand: str) -> SlackAttempt:
    """The attempt that a person comes back from, which then is used up.

    Raises:
        BadInput: nothing was begun with this state, or too long ago.
        NotAllowed: it was begun by somebody else, in another session or in another browser.
        Conflict: it was used before.
    """
    query = select(SlackAttempt).where(col(SlackAttempt.digest) == _digest(state)).with_for_update()
    attempt = (await session.execute(query)).scalar_one_or_none()
    if attempt is None:
        raise BadInput(UNKNOWN)
    # A stranger is told nothing else of it, and uses nothing up.
    if attempt.user_id != who.user_id:
        raise NotAllowed("Somebody else began this. Press “Add to Slack” yourself, and allow the app then.")
    if attempt.session_id != who.session_id or not hmac.compare_digest(attempt.browser_digest, _digest(in_hand)):
        raise NotAllowed("This was begun in another browser or sign-in. Press “Add to Slack” again, and finish here.")
    if attempt.used_at is not None:
        raise Conflict("This answer from Slack was used already. To connect another workspace, press “Add to Slack”.")
    if attempt.expires_at < utc_now():
        raise BadInput("That took more than ten minutes. Press “Add to Slack” again.")
    attempt.used_at = utc_now()
    return attempt


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
