"""Copies of windows on a real Valkey: kept for a day, dropped, and never worth an error."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from konstruct.adapters.redis import Circuit, RedisWindows, connect
from tests.konstruct.adapters.conftest import AT_ONCE
from tests.support.valkey import Valkey


@pytest.fixture
def windows(redis: Redis, circuit: Circuit) -> RedisWindows:
    return RedisWindows(redis, circuit)


async def test_a_copy_is_kept_for_its_conversation_of_its_tenant(windows: RedisWindows) -> None:
    tenant, one, other = uuid4(), uuid4(), uuid4()
    await windows.put(tenant, one, "copy \N{BICYCLE}")
    assert await windows.get(tenant, one) == "copy \N{BICYCLE}"
    assert await windows.get(tenant, other) is None
    assert await windows.get(uuid4(), one) is None
    await windows.put(tenant, one, "newer")
    assert await windows.get(tenant, one) == "newer"


async def test_a_copy_goes_after_a_day_and_stays_on_one_node_of_a_cluster(redis: Redis, windows: RedisWindows) -> None:
    tenant, conversation = uuid4(), uuid4()
    await windows.put(tenant, conversation, "copy")
    [key] = [key async for key in redis.scan_iter(match=f"*{conversation}*")]
    assert key == f"window:{{{tenant}}}:{conversation}"
    assert 86_000 < await redis.ttl(key) <= 86_400
    # Another copy lasts a day again.
    await redis.expire(key, 5)
    await windows.put(tenant, conversation, "copy")
    assert await redis.ttl(key) > 86_000


async def test_copies_are_dropped_for_good(windows: RedisWindows) -> None:
    tenant, dropped, kept = uuid4(), [uuid4(), uuid4()], uuid4()
    for conversation in (*dropped, kept):
        await windows.put(tenant, conversation, "copy")
    assert await windows.drop(tenant, [*dropped, uuid4()])
    assert [await windows.get(tenant, conversation) for conversation in (*dropped, kept)] == [None, None, "copy"]
    assert await windows.drop(tenant, dropped)
    assert await windows.drop(tenant, [])


async def test_what_is_no_text_is_no_copy(redis: Redis, windows: RedisWindows, circuit: Circuit) -> None:
    tenant, conversation = uuid4(), uuid4()
    await redis.rpush(f"window:{{{tenant}}}:{conversation}", "a list")
    assert await windows.get(tenant, conversation) is None
    assert not circuit.is_open
    await windows.put(tenant, conversation, "copy")
    assert await windows.get(tenant, conversation) == "copy"


@pytest.mark.parametrize("away", [Valkey.kill, Valkey.pause], ids=["dead", "hanging"])
async def test_a_redis_that_is_away_costs_the_copies_and_no_error(
    valkey: Valkey, away: Callable[[Valkey], None]
) -> None:
    tenant, conversation = uuid4(), uuid4()
    async with connect(valkey.url) as client:
        circuit = Circuit(open_for=AT_ONCE)
        windows = RedisWindows(client, circuit)
        await client.ping()
        await windows.put(tenant, conversation, "copy")
        away(valkey)

        assert await windows.get(tenant, conversation) is None
        await windows.put(tenant, conversation, "another")
        # Whoever erases somebody is told that a copy may be left; where there is none, nothing is asked.
        assert not await windows.drop(tenant, [conversation])
        assert await windows.drop(tenant, [])
        assert circuit.is_open


async def test_it_is_used_again_when_it_is_back(valkey: Valkey, windows: RedisWindows, circuit: Circuit) -> None:
    tenant, conversation = uuid4(), uuid4()
    valkey.kill()
    await windows.put(tenant, conversation, "copy")
    assert circuit.is_open
    valkey.start()
    await windows.put(tenant, conversation, "copy")
    assert await windows.get(tenant, conversation) == "copy"
    assert not circuit.is_open
