"""How many messages may come in: limits as people write them, refusals as people read them, the in-process limiter.

The shared limiter is an adapter; nothing here may connect to anything.
"""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, Generic, TypeVar
from uuid import UUID

from konstruct.errors import BadInput
from konstruct.ports import Limit, Verdict

V = TypeVar("V")

DEFAULT_LIMITS: Final[Mapping[str, Limit]] = {
    "tenant": Limit(600, timedelta(minutes=1)),
    "connection": Limit(300, timedelta(minutes=1)),
    "contact": Limit(20, timedelta(minutes=1)),
}

REPEATS_KNOWN_FOR: Final = timedelta(minutes=10)
"""How long a message that comes again gets its first verdict."""
LEAST_SILENCE: Final = timedelta(seconds=5)
"""A contact is told of a refusal once a window, and no more often than this when windows are tiny."""

_UNITS: Final = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_WRITTEN: Final = re.compile(r"\s*([0-9]{1,6})\s*/\s*([0-9]{0,4})\s*(second|minute|hour|day|s|m|h|d)s?\s*")
_MICROSECOND: Final = timedelta(microseconds=1)

_REASONS: Final = {
    "contact": "you have sent more messages than I may take from one person{limit}",
    "connection": "more messages are coming in through this channel than I may take{limit}",
    "tenant": "more messages are coming in for this business than I may take{limit}",
}


def buckets(
    configured: Mapping[str, str], tenant_id: UUID, connection_id: UUID, contact: str, *, is_rehearsal: bool
) -> list[tuple[str, str, Limit]]:
    """Of one message, the narrowest last: when several are hit, the contact is told of the one that lasts longest."""
    tenant = f"{{{tenant_id}}}"
    keys = {
        "tenant": f"limit:{tenant}:rehearsals" if is_rehearsal else f"limit:{tenant}",
        "connection": f"limit:{tenant}:{connection_id}",
        "contact": f"limit:{tenant}:{connection_id}:{contact}",
    }
    chosen = {**DEFAULT_LIMITS, **{scope: parse(text) for scope, text in configured.items()}}
    return [(scope, key, chosen[scope]) for scope, key in keys.items()]


def parse(text: str) -> Limit:
    """Reads ``20/minute`` or ``100/10 seconds``."""
    match = _WRITTEN.fullmatch(text)
    if match is not None:
        amount, count = int(match[1]), int(match[2] or 1)
        unit = next(period for name, period in _UNITS.items() if name.startswith(match[3]))
        if amount and count:
            return Limit(amount, count * unit)
    raise BadInput(
        f"“{text}” is not a limit: write how many and in what time, for example 20/minute or 100/10 seconds."
    )


def describe(limit: Limit) -> str:
    """``20 messages a minute``, ``1 message an hour``, ``100 messages in 10 seconds``."""
    name, unit = next(
        (name, unit) for name, unit in reversed(_UNITS.items()) if name == "second" or not limit.period % unit
    )
    count = limit.period // unit
    every = f"{'an' if name == 'hour' else 'a'} {name}" if count == 1 else f"in {count} {name}s"
    return f"{limit.amount} message{'s' if limit.amount != 1 else ''} {every}"


def sentence(verdict: Verdict, limit: Limit | None = None) -> str:
    """What a contact is told of a refused message; ``limit`` is the one that was hit, to be named."""
    reason = _REASONS[verdict.scope].format(limit=f" ({describe(limit)})" if limit else "")
    return f"Sorry, I could not take your message: {reason}. Please send it again in {waiting(verdict.retry_after)}."


def waiting(period: timedelta) -> str:
    """``3 minutes``, as people are told how long something takes."""
    name, unit = next((name, unit) for name, unit in reversed(_UNITS.items()) if name == "second" or period >= unit)
    # Rounded up: a person who comes back when told to must not be refused again.
    count = max(1, math.ceil(period / unit))
    return f"{count} {name}{'s' if count != 1 else ''}"


def pace(limit: Limit, share: int = 1) -> tuple[int, int]:
    """What GCRA counts with, in microseconds: what one message costs, and how much may be owed at once."""
    amount = max(1, limit.amount // share)
    cost = max(1, limit.period // _MICROSECOND // amount)
    # Not the period itself: a cost that was rounded down would let in one more than the amount.
    return cost, cost * amount


class Memory(Generic[V]):
    """A dict whose entries expire, and which forgets the longest untouched one when it is full."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, now: float) -> V | None:
        expires, value = self._entries.get(key, (-math.inf, None))
        if expires <= now:
            self._entries.pop(key, None)
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: str, value: V, expires: float) -> None:
        self._entries[key] = (expires, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def drop(self, key: str) -> None:
        self._entries.pop(key, None)


class LocalLimiter:
    """What one gateway does on its own while Redis is away: GCRA in memory, with its share of each limit, which goes on
    from what is owed elsewhere."""

    degraded: Final = True

    def __init__(self, share: int = 1, *, size: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        """``share``: among how many gateways the limits are divided; ``size``: how much of each kind is remembered."""
        self._share = share
        self._clock = clock
        self._full_at: Memory[int] = Memory(size)
        self._verdicts: Memory[Verdict] = Memory(size)
        self._told: Memory[bool] = Memory(size)

    async def check(self, message_key: str, buckets: Sequence[tuple[str, str, Limit]]) -> Verdict:
        now = self.now()
        sender = sender_key(buckets)
        message = f"{sender}|{message_key}"
        verdict = self._verdicts.get(message, now)
        if verdict is None:
            verdict = self._judge(now, sender, buckets)
            self._verdicts.put(message, verdict, now + REPEATS_KNOWN_FOR // _MICROSECOND)
        return verdict

    def now(self) -> int:
        """In microseconds, since whenever."""
        return int(self._clock() * 1_000_000)

    def owed(self, buckets: Sequence[tuple[str, str, Limit]], now: int) -> list[int]:
        """How long it is until each is full again, in microseconds."""
        return [(self._full_at.get(key, now) or now) - now for _, key, _ in buckets]

    def owe(self, buckets: Sequence[tuple[str, str, Limit]], owed: Sequence[int], now: int) -> None:
        """As much as others know to be owed, of each or of none."""
        for (_, key, limit), long in zip(buckets, owed, strict=False):
            _, depth = pace(limit, self._share)
            at = max(min(self._full_at.get(key, now) or now, now + depth), now + long)
            self._full_at.put(key, at, at)

    def _judge(self, now: int, sender: str, buckets: Sequence[tuple[str, str, Limit]]) -> Verdict:
        full_at: dict[str, int] = {}
        costs: list[int] = []
        wait, hit, window = 0, "", 0
        for scope, key, limit in buckets:
            cost, depth = pace(limit, self._share)
            full_at[key] = min(self._full_at.get(key, now) or now, now + depth) + cost
            costs.append(cost)
            if full_at[key] - now - depth > wait:
                wait, hit, window = full_at[key] - now - depth, scope, depth
        for (key, at), cost in zip(full_at.items(), costs, strict=True):
            # Kept after a refusal too, at no cost: a debt of when the limit was larger is cut down once, and paid off.
            kept = at - cost if hit else at
            self._full_at.put(key, kept, kept)
        if hit:
            tell = self._told.get(sender, now) is None
            if tell:
                self._told.put(sender, True, now + max(window, LEAST_SILENCE // _MICROSECOND))
            return Verdict(allowed=False, scope=hit, retry_after=wait * _MICROSECOND, tell=tell)
        return Verdict(allowed=True)


def sender_key(buckets: Sequence[tuple[str, str, Limit]]) -> str:
    """All bucket keys of a message together: as narrow as the narrowest, and of the same tenant as all of them."""
    return "|".join(key for _, key, _ in buckets)
