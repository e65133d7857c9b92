"""Limits on a real Valkey that hangs, dies, forgets and comes back."""

import asyncio
import random
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from konstruct.adapters.redis import Circuit, RedisCooldowns, RedisLimiter, connect
from konstruct.errors import Misconfigured, Unavailable
from konstruct.identity import new_id
from konstruct.limits import LocalLimiter
from konstruct.ports import Limit, Verdict
from tests.konstruct.adapters.conftest import AT_ONCE, PATIENT
from tests.support.valkey import Valkey

Bucket = tuple[str, str, Limit]

HOUR = timedelta(hours=1)
WAY = timedelta(milliseconds=20)


@asynccontextmanager
async def slow_way(valkey: Valkey) -> AsyncIterator[str]:
    """What is sent takes a while to be there, and so does the answer."""

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(1 << 16):
            await asyncio.sleep(WAY.total_seconds())
            writer.write(content)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", valkey.port)
        except OSError:
            writer.close()
            return
        with suppress(OSError):
            await asyncio.gather(passed_on(reader, back), passed_on(there, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


class Tenant:
    """The keys of a tenant that no other test has."""

    def __init__(self) -> None:
        self.tag = f"{{{new_id()}}}"

    def whole(self, amount: int, period: timedelta = HOUR) -> Bucket:
        return "tenant", f"{self.tag}:tenant", Limit(amount, period)

    def contact(self, amount: int, name: str = "ann", period: timedelta = HOUR) -> Bucket:
        return "contact", f"{self.tag}:contact:{name}", Limit(amount, period)


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


@pytest.fixture
def limiter(redis: Redis, circuit: Circuit) -> RedisLimiter:
    return RedisLimiter(redis, circuit, LocalLimiter())


async def test_many_gateways_at_once_let_in_exactly_the_amount(valkey: Valkey, tenant: Tenant) -> None:
    clients = [connect(valkey.url, time_limit=PATIENT) for _ in range(4)]
    limiters = [RedisLimiter(client, Circuit(time_limit=PATIENT), LocalLimiter()) for client in clients]
    buckets = [tenant.whole(50), tenant.contact(100)]

    verdicts = await asyncio.gather(*(limiters[n % 4].check(f"m{n}", buckets) for n in range(400)))

    assert sum(verdict.allowed for verdict in verdicts) == 50
    assert {verdict.scope for verdict in verdicts} == {"", "tenant"}
    assert sum(verdict.tell for verdict in verdicts) == 1
    assert not any(limiter.degraded for limiter in limiters)
    for client in clients:
        await client.aclose()


async def test_a_refused_contact_does_not_use_up_what_belongs_to_the_others(
    limiter: RedisLimiter, tenant: Tenant
) -> None:
    for number in range(20):
        await limiter.check(f"ann{number}", [tenant.whole(5), tenant.contact(2, "ann")])

    allowed = [(await limiter.check(f"bob{n}", [tenant.whole(5), tenant.contact(9, "bob")])).allowed for n in range(4)]

    assert allowed == [True, True, True, False]


async def test_two_tenants_share_nothing(limiter: RedisLimiter) -> None:
    one, other = Tenant(), Tenant()
    assert (await limiter.check("m0", [one.whole(1), one.contact(1)])).allowed
    assert not (await limiter.check("m1", [one.whole(1), one.contact(1)])).allowed

    assert (await limiter.check("m1", [other.whole(1), other.contact(1)])).allowed


async def test_a_refusal_says_when_its_bucket_has_room_again(
    redis: Redis, limiter: RedisLimiter, tenant: Tenant
) -> None:
    async def server_time() -> timedelta:
        seconds, microseconds = await redis.time()
        return timedelta(seconds=seconds, microseconds=microseconds)

    times = [await server_time()]
    for number in range(3):
        verdict = await limiter.check(f"m{number}", [tenant.contact(2)])
        times.append(await server_time())

    # The debt began with the first message, and each one takes half an hour to be paid off.
    room_at_least, room_at_most = times[0] + HOUR / 2, times[1] + HOUR / 2
    assert room_at_least - times[3] <= verdict.retry_after <= room_at_most - times[2]


async def test_a_message_that_comes_when_it_was_told_to_is_let_in(limiter: RedisLimiter, tenant: Tenant) -> None:
    buckets = [tenant.contact(1, period=timedelta(seconds=0.5))]
    verdict = Verdict(allowed=True)
    while verdict.allowed:
        verdict = await limiter.check(str(new_id()), buckets)

    await asyncio.sleep(verdict.retry_after.total_seconds())

    assert (await limiter.check(str(new_id()), buckets)).allowed


async def test_it_decides_as_the_local_limiter_does(limiter: RedisLimiter, tenant: Tenant) -> None:
    chance = random.Random(7)
    local = LocalLimiter(clock=lambda: 0.0)

    def gist(verdict: Verdict) -> tuple[bool, str, bool]:
        return verdict.allowed, verdict.scope, verdict.tell

    for _ in range(200):
        buckets = [tenant.whole(25), tenant.contact(10, chance.choice(["ann", "bob", "cy"]))]
        message = f"m{chance.randrange(120)}"
        assert gist(await limiter.check(message, buckets)) == gist(await local.check(message, buckets))
    assert not limiter.degraded


async def test_the_same_message_gets_the_same_verdict_and_is_charged_once(
    limiter: RedisLimiter, tenant: Tenant
) -> None:
    buckets = [tenant.whole(9), tenant.contact(2)]
    together = await asyncio.gather(*(limiter.check("m0", buckets) for _ in range(10)))
    assert all(verdict.allowed for verdict in together)
    assert (await limiter.check("m1", buckets)).allowed

    first = await limiter.check("m2", buckets)

    assert (first.scope, first.tell) == ("contact", True)
    assert await limiter.check("m2", buckets) == first
    assert not (await limiter.check("m3", buckets)).tell


async def test_a_contact_is_told_once_a_window_and_each_contact_for_itself(
    redis: Redis, limiter: RedisLimiter, tenant: Tenant
) -> None:
    async def flood(name: str, period: timedelta) -> int:
        verdicts = [await limiter.check(f"{name}{n}", [tenant.contact(2, name, period)]) for n in range(10)]
        return sum(verdict.tell for verdict in verdicts)

    assert await flood("ann", HOUR) == 1
    assert await flood("bob", HOUR) == 1
    assert await flood("cy", timedelta(seconds=1)) == 1
    assert 3_590 <= await redis.ttl(f"limit:told:{tenant.tag}:contact:ann") <= 3_600
    assert 3 <= await redis.ttl(f"limit:told:{tenant.tag}:contact:cy") <= 5


async def test_everything_it_writes_expires_and_stays_on_one_node_of_a_cluster(
    redis: Redis, limiter: RedisLimiter, tenant: Tenant
) -> None:
    for number in range(3):
        await limiter.check(f"m{{{number}}}", [tenant.whole(9), tenant.contact(2)])

    keys = [key async for key in redis.scan_iter(match=f"*{tenant.tag}*")]

    assert len(keys) == 6
    assert {key[key.index("{") : key.index("}") + 1] for key in keys} == {tenant.tag}
    assert all([await redis.pttl(key) > 0 for key in keys])


async def test_a_limit_made_smaller_locks_nobody_out_for_longer_than_its_period(
    limiter: RedisLimiter, tenant: Tenant
) -> None:
    for number in range(10):
        await limiter.check(f"m{number}", [tenant.contact(10, period=timedelta(days=1))])

    verdict = await limiter.check("m10", [tenant.contact(1, period=timedelta(seconds=10))])

    assert verdict.retry_after <= timedelta(seconds=10)


async def test_who_waited_out_a_limit_made_smaller_is_let_in(limiter: RedisLimiter, tenant: Tenant) -> None:
    for number in range(10):
        await limiter.check(f"m{number}", [tenant.contact(10, period=timedelta(days=1))])
    smaller = [tenant.contact(1, period=timedelta(seconds=0.5))]
    verdict = await limiter.check("m10", smaller)

    await asyncio.sleep(verdict.retry_after.total_seconds())

    assert (await limiter.check("m11", smaller)).allowed


async def test_a_flushed_redis_starts_to_count_anew(redis: Redis, limiter: RedisLimiter, tenant: Tenant) -> None:
    assert (await limiter.check("m0", [tenant.contact(1)])).allowed
    assert not (await limiter.check("m1", [tenant.contact(1)])).allowed

    await redis.flushall()
    await redis.script_flush()

    assert (await limiter.check("m2", [tenant.contact(1)])).allowed
    assert not (await limiter.check("m3", [tenant.contact(1)])).allowed
    assert not limiter.degraded


async def test_no_gateway_lets_in_more_than_the_limit_when_redis_goes_and_when_it_comes_back(
    valkey: Valkey, tenant: Tenant
) -> None:
    clients = [connect(valkey.url, time_limit=PATIENT) for _ in range(2)]
    one, other = (
        RedisLimiter(client, Circuit(time_limit=PATIENT, open_for=AT_ONCE), LocalLimiter()) for client in clients
    )

    async def let_in(*limiters: RedisLimiter) -> int:
        verdicts = [await each.check(str(new_id()), [tenant.contact(6)]) for _ in range(10) for each in limiters]
        return sum(verdict.allowed for verdict in verdicts)

    # The other knows nothing of it when Redis goes, and lets in as much.
    assert await let_in(one) == 6
    valkey.kill()
    assert await let_in(one, other) == 6
    valkey.start()
    assert await let_in(one, other) == 0
    assert [each.degraded for each in (one, other)] == [False, False]
    # From whom Redis has it, whoever comes new.
    async with connect(valkey.url, time_limit=PATIENT) as client:
        assert await let_in(RedisLimiter(client, Circuit(time_limit=PATIENT, open_for=AT_ONCE), LocalLimiter())) == 0
    for each in clients:
        await each.aclose()


async def test_to_ask_often_over_a_slow_way_does_not_lengthen_what_is_owed(valkey: Valkey, tenant: Tenant) -> None:
    buckets, asks = [tenant.contact(2)], 10
    async with slow_way(valkey) as url, connect(url, time_limit=PATIENT) as client:
        circuit = Circuit(time_limit=PATIENT, open_for=AT_ONCE)
        limiter = RedisLimiter(client, circuit, LocalLimiter())
        valkey.kill()
        await limiter.check("m0", buckets)
        valkey.start()

        waits = [(await limiter.check(f"n{number}", buckets)).retry_after for number in range(asks)]

    assert circuit.was_away
    assert not circuit.is_open
    # The first of them is let in. Each of the others asks as much later as it takes there and back.
    assert waits[1] - waits[-1] >= (asks - 2) * 2 * WAY


async def test_a_burst_larger_than_the_pool_waits_its_turn(limiter: RedisLimiter, tenant: Tenant) -> None:
    verdicts = await asyncio.gather(*(limiter.check(f"m{n}", [tenant.whole(300)]) for n in range(300)))

    assert all(verdict.allowed for verdict in verdicts)
    assert not limiter.degraded


async def test_when_redis_hangs_the_local_limiter_takes_over_until_it_is_back(valkey: Valkey, tenant: Tenant) -> None:
    async with connect(valkey.url) as client:
        limiter = RedisLimiter(client, Circuit(open_for=AT_ONCE), LocalLimiter(share=5))
        await client.ping()
        valkey.pause()

        allowed = [(await limiter.check(f"m{n}", [tenant.contact(10)])).allowed for n in range(4)]

        assert allowed == [True, True, False, False]
        assert limiter.degraded
        valkey.resume()
        async with asyncio.timeout(PATIENT.total_seconds()):
            while limiter.degraded:
                await limiter.check(str(new_id()), [tenant.whole(1)])


async def test_when_redis_is_killed_the_local_limiter_takes_over_until_it_is_back(
    valkey: Valkey, limiter: RedisLimiter, tenant: Tenant
) -> None:
    assert (await limiter.check("m0", [tenant.contact(2)])).allowed
    valkey.kill()

    allowed = [(await limiter.check(f"n{n}", [tenant.contact(2)])).allowed for n in range(2)]

    assert allowed == [True, False]
    assert limiter.degraded
    valkey.start()
    assert (await limiter.check("o0", [tenant.contact(1, "bob")])).allowed
    assert not limiter.degraded


async def test_after_a_restart_no_old_connection_is_mistaken_for_a_dead_redis(
    valkey: Valkey, redis: Redis, limiter: RedisLimiter, tenant: Tenant
) -> None:
    await asyncio.gather(*(redis.ping() for _ in range(8)))
    valkey.kill()
    valkey.start()
    async with connect(valkey.url, time_limit=PATIENT) as another:
        await another.ping()

    with capture_logs() as lines:
        await asyncio.gather(*(limiter.check(f"m{n}", [tenant.whole(9)]) for n in range(8)))

    assert lines == []


async def test_the_change_is_logged_once_each_way(valkey: Valkey, limiter: RedisLimiter, tenant: Tenant) -> None:
    with capture_logs() as lines:
        valkey.kill()
        for number in range(3):
            await limiter.check(f"m{number}", [tenant.whole(9)])
        valkey.start()
        for number in range(3):
            await limiter.check(f"n{number}", [tenant.whole(9)])

    assert [(line["event"], line["log_level"]) for line in lines] == [("redis_away", "warning"), ("redis_back", "info")]


async def test_a_redis_that_failed_is_left_alone_for_five_seconds(valkey: Valkey, redis: Redis, tenant: Tenant) -> None:
    now = 100.0
    limiter = RedisLimiter(redis, Circuit(time_limit=PATIENT, clock=lambda: now), LocalLimiter())
    valkey.kill()
    await limiter.check("m0", [tenant.whole(9)])
    valkey.start()

    now = 104.9
    await limiter.check("m1", [tenant.whole(9)])
    assert limiter.degraded
    now = 105.0
    await limiter.check("m2", [tenant.whole(9)])
    assert not limiter.degraded


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_failed_call_is_not_tried_again_and_one_call_finds_out_for_all(hangs: bool, tenant: Tenant) -> None:
    calls = 0

    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if hangs:
            await reader.read()
        writer.close()

    now = 0.0
    server = await asyncio.start_server(misbehave, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connect(f"redis://127.0.0.1:{port}") as client:
        limiter = RedisLimiter(client, Circuit(clock=lambda: now), LocalLimiter())
        await limiter.check("m0", [tenant.whole(90)])
        assert (limiter.degraded, calls) == (True, 1)
        now += 5
        await asyncio.gather(*(limiter.check(f"n{n}", [tenant.whole(90)]) for n in range(20)))
        assert (limiter.degraded, calls) == (True, 2)


async def test_a_call_that_never_ends_is_given_up() -> None:
    circuit = Circuit(time_limit=timedelta(milliseconds=1))

    with pytest.raises(Unavailable):
        await circuit.call(asyncio.Event().wait)

    assert circuit.is_open


@pytest.mark.parametrize("url", ["127.0.0.1:6379", "redis://:hush/hush@127.0.0.1"])
def test_an_address_that_is_none_is_refused_without_giving_its_password_away(url: str) -> None:
    with pytest.raises(Misconfigured, match="address of Redis") as refusal:
        connect(url)
    assert "hush" not in "".join(traceback.format_exception(refusal.value))


async def test_limits_and_cool_downs_find_out_together(valkey: Valkey, redis: Redis, tenant: Tenant) -> None:
    circuit = Circuit(time_limit=PATIENT)
    valkey.kill()

    await RedisCooldowns(redis, circuit).cool("openai/a", HOUR)

    assert RedisLimiter(redis, circuit, LocalLimiter()).degraded
