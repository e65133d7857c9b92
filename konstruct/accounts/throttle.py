"""How often who somebody is may be tried: waits that grow, counted by network and by account.

Nobody is locked out: a browser that the person has signed in with before has a budget of its own, which strangers who
guess elsewhere cannot use up, and a link that sets a new password always leads in.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from konstruct.accounts.sessions import Client
from konstruct.errors import TooMany
from konstruct.limits import waiting
from konstruct.ports import Limit, Limiter

_NETWORK: Final = (Limit(30, timedelta(minutes=5)), Limit(300, timedelta(days=1)))
# The first few at once, then one every three minutes, then one every twenty-four.
_ACCOUNT: Final = (Limit(5, timedelta(minutes=1)), Limit(20, timedelta(hours=1)), Limit(60, timedelta(days=1)))
_DEVICE: Final = (Limit(10, timedelta(minutes=5)), Limit(100, timedelta(days=1)))
_CEREMONIES: Final = (Limit(300, timedelta(minutes=5)),)
_CHOSEN_PASSWORDS: Final = (Limit(10, timedelta(minutes=5)),)
_BUSINESSES: Final = (Limit(10, timedelta(hours=1)), Limit(30, timedelta(days=1)))
_MAILS_TO_ONE: Final = (Limit(5, timedelta(hours=1)),)
_MAILS_FROM_NETWORK: Final = (Limit(30, timedelta(hours=1)),)
_MAILS_BY_PERSON: Final = (Limit(50, timedelta(hours=1)),)


async def guess(limiter: Limiter, client: Client, email: str, *, device: str | None = None) -> None:
    """Counts one attempt to sign in. Raises TooMany.

    Args:
        device: What a browser holds that the person has signed in with before.
    """
    own = _buckets("device", device, _DEVICE) if device is not None else _buckets("account", email, _ACCOUNT)
    await _count(limiter, [*own, *_buckets("network", client.network, _NETWORK)], "attempts to sign in")


async def factor(limiter: Limiter, client: Client, user_id: UUID) -> None:
    """Counts one attempt at a second factor, by whoever has given the password already. Raises TooMany."""
    buckets = _buckets("factor", str(user_id), _ACCOUNT) + _buckets("network", client.network, _NETWORK)
    await _count(limiter, buckets, "codes that were not right")


async def chosen_password(limiter: Limiter, whose: UUID) -> None:
    """Counts one password that somebody would like to have, to judge and to hash which is work. Raises TooMany.

    ``whose``: the person, or the invitation of one who has no account yet.
    """
    await _count(limiter, _buckets("chosen", str(whose), _CHOSEN_PASSWORDS), "attempts to choose a password")


async def business(limiter: Limiter, user_id: UUID) -> None:
    """Counts one business that somebody makes. Raises TooMany."""
    await _count(limiter, _buckets("business", str(user_id), _BUSINESSES), "new businesses")


async def ceremony(limiter: Limiter, client: Client) -> None:
    """Counts one challenge that a browser is set, each of which is a row for a while. Raises TooMany."""
    await _count(limiter, _buckets("ceremony", client.network, _CEREMONIES), "attempts from your network")


async def mail(limiter: Limiter, client: Client, email: str, *, by: UUID | None = None) -> None:
    """Counts one mail that somebody has sent to somebody. Raises TooMany.

    ``by``: who is signed in, whose mails are counted instead of those of their network.
    """
    if by is None:
        of_sender = _buckets("mails", client.network, _MAILS_FROM_NETWORK)
    else:
        of_sender = _buckets("mails_by", str(by), _MAILS_BY_PERSON)
    await _count(limiter, _buckets("mail", email, _MAILS_TO_ONE) + of_sender, "mails to this address, or from here")


def _buckets(kind: str, key: str, limits: Sequence[Limit]) -> list[tuple[str, str, Limit]]:
    # Hashed: an address is nobody's business who looks into Redis. Braces keep a cluster's keys on one node.
    hashed = hashlib.sha256(key.encode()).hexdigest()[:32]
    return [(kind, f"{{accounts}}:{kind}:{place}:{hashed}", limit) for place, limit in enumerate(limits)]


async def _count(limiter: Limiter, buckets: list[tuple[str, str, Limit]], what: str) -> None:
    verdict = await limiter.check(str(uuid4()), buckets)
    if not verdict.allowed:
        raise TooMany(f"There were too many {what}. Try again in {waiting(verdict.retry_after)}.", verdict.retry_after)
