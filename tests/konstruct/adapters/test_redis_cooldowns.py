"""Cool-downs of models on a real Valkey that dies and comes back."""

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from konstruct.adapters.redis import Circuit, RedisCooldowns, connect
from tests.konstruct.adapters.conftest import PATIENT
from tests.support.valkey import Valkey

HOUR = timedelta(hours=1)


async def test_a_model_cools_for_all_workers_until_it_is_warm_again(valkey: Valkey, redis: Redis) -> None:
    async with connect(valkey.url, time_limit=PATIENT) as other:
        here = RedisCooldowns(redis, Circuit(time_limit=PATIENT))
        there = RedisCooldowns(other, Circuit(time_limit=PATIENT))
        await here.cool("openai/gpt", HOUR)
        await here.cool("ollama/llama", HOUR)

        assert await there.cooling(["openai/gpt", "anthropic/claude", "ollama/llama"]) == {"openai/gpt", "ollama/llama"}
        await there.warm("openai/gpt")
        assert await here.cooling(["openai/gpt", "ollama/llama"]) == {"ollama/llama"}
        assert await here.cooling([]) == set()


async def test_a_cool_down_ends_by_itself(redis: Redis, circuit: Circuit) -> None:
    cooldowns = RedisCooldowns(redis, circuit)
    await cooldowns.cool("openai/short", timedelta(0))
    assert not circuit.is_open
    await cooldowns.cool("openai/long", timedelta(milliseconds=90_500))

    async with asyncio.timeout(PATIENT.total_seconds()):
        while "openai/short" in await cooldowns.cooling(["openai/short"]):
            pass

    assert 80_000 < await redis.pttl("{cooldown}:openai/long") <= 90_500


async def test_without_redis_a_process_remembers_for_itself_what_is_cooling(
    valkey: Valkey, redis: Redis, circuit: Circuit
) -> None:
    now = 0.0
    cooldowns = RedisCooldowns(redis, circuit, clock=lambda: now)
    links = ["openai/a", "openai/b", "openai/c"]
    valkey.kill()
    for link in links[:2]:
        await cooldowns.cool(link, timedelta(seconds=30))
    await cooldowns.warm("openai/b")
    assert await cooldowns.cooling(links) == {"openai/a"}
    assert circuit.is_open

    valkey.start()
    assert await cooldowns.cooling(links) == {"openai/a"}
    assert not circuit.is_open
    now = 30.0
    assert await cooldowns.cooling(links) == set()
