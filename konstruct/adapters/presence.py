"""Who looks at which conversation right now, in Redis: gone by itself unless it is said anew, and lost without harm."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from konstruct.adapters.redis import Circuit, Redis
from konstruct.errors import Unavailable

LASTS: Final = timedelta(seconds=35)
"""A browser says every fifteen seconds that somebody still looks."""
WRITING_LASTS: Final = timedelta(seconds=7)
MOST: Final = 2_000
"""People at conversations of one tenant, beyond whom nobody more is noted."""

# One hash a tenant: a field for each person at a conversation, its value until when they are there, until when they
# write (milliseconds of Redis's own clock, since those of portals differ), and their name.
_NOTE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return 0 end
local writes = 0
if tonumber(ARGV[3]) > 0 then writes = now + ARGV[3] end
local value = string.format('%.0f|%.0f|%s', now + ARGV[2], writes, ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], value)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_SEEN: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local all, there = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local until_then, writes, name = string.match(all[i + 1], '^(%d+)|(%d+)|(.*)$')
  if until_then and tonumber(until_then) > now then
    there[#there + 1] = all[i]
    there[#there + 1] = tonumber(writes) > now and '1' or '0'
    there[#there + 1] = name
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return there
"""


@dataclass(frozen=True, order=True)
class Present:
    """A member of the team who looks at a conversation."""

    name: str
    user_id: UUID
    is_writing: bool


class RedisPresence:
    def __init__(self, redis: Redis, circuit: Circuit) -> None:
        self._redis = redis
        self._circuit = circuit
        self._note = redis.register_script(_NOTE)
        self._seen = redis.register_script(_SEEN)

    async def note(
        self, tenant_id: UUID, conversation_id: UUID, user_id: UUID, name: str, *, is_writing: bool = False
    ) -> None:
        """They look at it, and write in it, for a while from now on. Nothing where Redis is away."""
        writes = _ms(WRITING_LASTS) if is_writing else 0
        arguments = (_field(conversation_id, user_id), _ms(LASTS), writes, name[:80], MOST)
        with suppress(Unavailable):
            await self._circuit.call(lambda: self._note(keys=[_key(tenant_id)], args=arguments))

    async def leave(self, tenant_id: UUID, conversation_id: UUID, user_id: UUID) -> None:
        with suppress(Unavailable):
            field = _field(conversation_id, user_id)
            await self._circuit.call(lambda: self._redis.hdel(_key(tenant_id), field))

    async def seen(self, tenant_id: UUID) -> Mapping[UUID, tuple[Present, ...]]:
        """By conversation. Nobody where Redis is away."""
        try:
            said = await self._circuit.call(lambda: self._seen(keys=[_key(tenant_id)]))
        except Unavailable:
            return {}
        found: dict[UUID, list[Present]] = {}
        for field, writes, name in zip(said[::3], said[1::3], said[2::3], strict=True):
            conversation_id, _, user_id = field.partition("|")
            found.setdefault(UUID(conversation_id), []).append(Present(name, UUID(user_id), writes == "1"))
        return {conversation_id: tuple(sorted(people)) for conversation_id, people in found.items()}


def _ms(period: timedelta) -> int:
    return int(period.total_seconds() * 1_000)


def _key(tenant_id: UUID) -> str:
    return f"presence:{{{tenant_id}}}"


def _field(conversation_id: UUID, user_id: UUID) -> str:
    return f"{conversation_id}|{user_id}"
