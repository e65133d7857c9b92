"""Message limits, models' cool-downs and conversations' windows in Redis. Nothing may be kept here that cannot be lost.

A Redis that refuses, hangs or errs costs a call a fifth of a second now and then, and raises nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID

import structlog
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from konstruct.errors import Misconfigured, Unavailable
from konstruct.limits import LEAST_SILENCE, REPEATS_KNOWN_FOR, LocalLimiter, Memory, pace, sender_key
from konstruct.ports import Limit, Verdict

T = TypeVar("T")

log = structlog.get_logger(__name__)

TIME_LIMIT: Final = timedelta(seconds=0.2)
OPEN_FOR: Final = timedelta(seconds=5)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_WINDOW_IS_KEPT_FOR: Final = timedelta(days=1)

_GCRA: Final = """
-- KEYS: this message's verdict, whether its sender was told, then one key for each bucket.
-- ARGV: how long the verdict is kept and the least silence (ms), then cost and depth of each bucket, and what the
-- gateway knows to be owed there (µs).
-- A bucket is the time at which it will be full again; a message is let in when none would owe more than its depth.
-- Answers with the bucket that is hit, the wait, and whether to tell; and what is now owed, where it was counted.
local first = redis.call('GET', KEYS[1])
if first then return first end

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local costs, full_at, wait, hit, window = {}, {}, 0, 0, 0
for i = 1, #KEYS - 2 do
  local cost, depth, known = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local stored = math.max(tonumber(redis.call('GET', KEYS[i + 2]) or now), now + known)
  costs[i] = cost
  -- Held within its depth from now, so that neither a clock set back nor a limit made smaller locks anyone out.
  full_at[i] = math.min(math.max(stored, now), now + depth) + cost
  if full_at[i] - now - depth > wait then
    wait, hit, window = full_at[i] - now - depth, i, depth
  end
end

local tell = 0
if hit > 0 and redis.call('SET', KEYS[2], 1, 'NX', 'PX', math.max(math.ceil(window / 1000), tonumber(ARGV[2]))) then
  tell = 1
end

local verdict = string.format('%d %.0f %d', hit, wait, tell)
redis.call('SET', KEYS[1], verdict, 'PX', ARGV[1])
for i, at in ipairs(full_at) do
  if hit > 0 then at = at - costs[i] end
  if at > now then
    redis.call('SET', KEYS[i + 2], string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000))
  end
  verdict = verdict .. string.format(' %.0f', at - now)
end
return verdict
"""


def connect(url: str, *, time_limit: timedelta = TIME_LIMIT) -> Redis:
    """A client that never retries; it connects when it is first used."""
    seconds = time_limit.total_seconds()
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=32,
            timeout=seconds,
            socket_connect_timeout=seconds,
            socket_timeout=seconds,
            # Never left to the library's defaults: ten tries with growing pauses take four seconds.
            retry=Retry(NoBackoff(), 0),
            # With RESP3 the library listens for maintenance notices, and then hands out connections
            # that the server has closed: each one would fail once after a restart of Redis.
            protocol=2,
            decode_responses=True,
        )
    except ValueError:
        # Not chained: what the library says may quote a part of the password.
        raise Misconfigured(
            "The address of Redis cannot be used: write it like redis://:password@host:6379/0 (rediss:// for TLS),"
            " with special characters of the password percent-encoded."
        ) from None
    return Redis.from_pool(pool)


class Circuit:
    """Whether Redis answers. After a failure it is left alone for a while; then one call finds out for all."""

    def __init__(
        self,
        *,
        time_limit: timedelta = TIME_LIMIT,
        open_for: timedelta = OPEN_FOR,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._time_limit = time_limit.total_seconds()
        self._open_for = open_for.total_seconds()
        self._clock = clock
        self._next_try = 0.0
        self.is_open = False
        self.was_away = False
        """Ever, as far as this process knows."""

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Raises Unavailable and nothing else, at once while the circuit is open."""
        if self.is_open:
            if self._clock() < self._next_try:
                raise Unavailable("Redis does not answer.")
            # Set before asking: while one call finds out, the others do not wait with it.
            self._next_try = self._clock() + self._open_for
        try:
            async with asyncio.timeout(self._time_limit):
                answer = await ask()
        # The client raises more than its own errors (from sockets, name resolution and the event loop),
        # and whatever it is, a message must be judged and a model chosen all the same.
        except Exception as error:
            if not self.is_open:
                log.warning("redis_away", error=repr(error))
            self.is_open = self.was_away = True
            self._next_try = self._clock() + self._open_for
            raise Unavailable("Redis does not answer.") from error
        if self.is_open:
            log.info("redis_back")
        self.is_open = False
        return answer


class RedisLimiter:
    """One limit for all gateways. The keys of buckets name their tenant in braces, so that a cluster keeps
    all that one message touches on one node.

    Each gateway knows what is owed by whom it has seen, and tells a Redis that comes back: so none lets in more than
    the limit on its own, when Redis goes as when it is there again. One that was never away is not told what it forgot.
    """

    def __init__(self, redis: Redis, circuit: Circuit, local: LocalLimiter) -> None:
        self._script = redis.register_script(_GCRA)
        self._circuit = circuit
        self._local = local

    @property
    def degraded(self) -> bool:
        return self._circuit.is_open

    async def check(self, message_key: str, buckets: Sequence[tuple[str, str, Limit]]) -> Verdict:
        sender = sender_key(buckets)
        keys = [
            f"limit:seen:{sender}|{message_key}",
            f"limit:told:{sender}",
            *(f"limit:{key}" for _, key, _ in buckets),
        ]
        args = [REPEATS_KNOWN_FOR // _MILLISECOND, LEAST_SILENCE // _MILLISECOND]
        asked_at = self._local.now()
        for (_, _, limit), owed_here in zip(buckets, self._local.owed(buckets, asked_at), strict=True):
            # Less by as long as it may take to get there: else each question would lengthen what is owed a little.
            known = max(0, owed_here - TIME_LIMIT // _MICROSECOND) if self._circuit.was_away else 0
            args.extend((*pace(limit), known))
        try:
            reply: str = await self._circuit.call(lambda: self._script(keys, args))
        except Unavailable:
            return await self._local.check(message_key, buckets)
        hit, wait, tell, *owed = map(int, reply.split())
        self._local.owe(buckets, owed, asked_at)
        if not hit:
            return Verdict(allowed=True)
        scope = buckets[hit - 1][0]
        return Verdict(allowed=False, scope=scope, retry_after=timedelta(microseconds=wait), tell=bool(tell))


class RedisCooldowns:
    """Cool-downs that all workers see. What Redis could not be told, this process remembers itself."""

    def __init__(self, redis: Redis, circuit: Circuit, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._circuit = circuit
        self._clock = clock
        self._untold: Memory[bool] = Memory(1_000)

    async def cooling(self, keys: Sequence[str]) -> set[str]:
        now = self._clock()
        known = {key for key in keys if self._untold.get(key, now)}
        if not keys:
            return known
        try:
            values = await self._circuit.call(lambda: self._redis.mget([_cooldown(key) for key in keys]))
        except Unavailable:
            return known
        return known | {key for key, value in zip(keys, values, strict=True) if value is not None}

    async def cool(self, key: str, period: timedelta) -> None:
        try:
            await self._circuit.call(lambda: self._redis.set(_cooldown(key), "1", px=max(period, _MILLISECOND)))
        except Unavailable:
            self._untold.put(key, True, self._clock() + period.total_seconds())

    async def warm(self, key: str) -> None:
        self._untold.drop(key)
        try:
            await self._circuit.call(lambda: self._redis.delete(_cooldown(key)))
        except Unavailable:
            return


class RedisWindows:
    """A copy of each conversation's window, for a day after it was last read anew."""

    def __init__(self, redis: Redis, circuit: Circuit) -> None:
        self._redis = redis
        self._circuit = circuit

    async def get(self, tenant_id: UUID, conversation_id: UUID) -> str | None:
        try:
            found = await self._circuit.call(lambda: self._redis.mget([_window(tenant_id, conversation_id)]))
        except Unavailable:
            return None
        # A str: the client decodes.
        return str(found[0]) if found[0] is not None else None

    async def put(self, tenant_id: UUID, conversation_id: UUID, window: str) -> None:
        with suppress(Unavailable):
            await self._circuit.call(
                lambda: self._redis.set(_window(tenant_id, conversation_id), window, ex=_WINDOW_IS_KEPT_FOR)
            )

    async def drop(self, tenant_id: UUID, conversation_ids: Sequence[UUID]) -> bool:
        if not conversation_ids:
            return True
        keys = [_window(tenant_id, conversation_id) for conversation_id in conversation_ids]
        try:
            await self._circuit.call(lambda: self._redis.delete(*keys))
        except Unavailable:
            return False
        return True


def _window(tenant_id: UUID, conversation_id: UUID) -> str:
    return f"window:{{{tenant_id}}}:{conversation_id}"


def _cooldown(key: str) -> str:
    # One hash tag for all of them: they are few, and are asked for together.
    return f"{{cooldown}}:{key}"
