"""Limits as people read and write them, and the limiter that one gateway runs alone."""

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct import limits
from konstruct.errors import BadInput
from konstruct.limits import LocalLimiter, Memory
from konstruct.ports import Limit, Verdict

Bucket = tuple[str, str, Limit]

MINUTE = timedelta(minutes=1)


class HandClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def contact(amount: int, name: str = "ann", period: timedelta = MINUTE) -> Bucket:
    return "contact", f"{{acme}}:contact:{name}", Limit(amount, period)


def tenant(amount: int, name: str = "acme", period: timedelta = MINUTE) -> Bucket:
    return "tenant", f"{{{name}}}:tenant", Limit(amount, period)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("600/minute", Limit(600, MINUTE)),
        ("1/second", Limit(1, timedelta(seconds=1))),
        (" 20 / 10s ", Limit(20, timedelta(seconds=10))),
        ("5/2 hours", Limit(5, timedelta(hours=2))),
        ("1000/day", Limit(1000, timedelta(days=1))),
    ],
)
def test_a_limit_is_read_as_people_write_it(text: str, limit: Limit) -> None:
    assert limits.parse(text) == limit


@pytest.mark.parametrize("text", ["", "20", "0/minute", "20/0s", "-1/minute", "2.5/hour", "20/month", "२०/minute"])
def test_what_is_no_limit_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match="for example 20/minute") as refusal:
        limits.parse(text)
    assert f"“{text}”" in str(refusal.value)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit(20, MINUTE), "20 messages a minute"),
        (Limit(1, timedelta(hours=1)), "1 message an hour"),
        (Limit(100, timedelta(seconds=10)), "100 messages in 10 seconds"),
        (Limit(9, timedelta(seconds=90)), "9 messages in 90 seconds"),
        (Limit(7, timedelta(days=2)), "7 messages in 2 days"),
    ],
)
def test_a_limit_is_described_in_words(limit: Limit, words: str) -> None:
    assert limits.describe(limit) == words


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (timedelta(microseconds=1), "in 1 second."),
        (timedelta(seconds=39.2), "in 40 seconds."),
        (timedelta(seconds=121), "in 3 minutes."),
        (timedelta(hours=5), "in 5 hours."),
    ],
)
def test_a_refusal_says_when_to_try_again_and_never_too_early(wait: timedelta, words: str) -> None:
    assert limits.sentence(Verdict(allowed=False, scope="contact", retry_after=wait)).endswith(words)


def test_a_refusal_says_whose_limit_was_hit_without_shop_talk() -> None:
    sentences = {scope: limits.sentence(Verdict(allowed=False, scope=scope)) for scope in limits.DEFAULT_LIMITS}

    assert "you have sent" in sentences["contact"]
    assert "this channel" in sentences["connection"]
    assert "this business" in sentences["tenant"]
    assert not any(
        word in text.lower() for text in sentences.values() for word in ("tenant", "bucket", "rate", "redis")
    )


def test_a_refusal_names_the_limit_when_it_is_given() -> None:
    text = limits.sentence(Verdict(allowed=False, scope="contact", retry_after=timedelta(seconds=3)), Limit(20, MINUTE))

    assert text == (
        "Sorry, I could not take your message: you have sent more messages than I may take from one person"
        " (20 messages a minute). Please send it again in 3 seconds."
    )


async def test_a_message_over_the_limit_is_refused_until_the_time_it_was_told() -> None:
    clock = HandClock()
    limiter = LocalLimiter(clock=clock)
    for number in range(4):
        assert (await limiter.check(f"m{number}", [contact(4)])).allowed

    refusal = await limiter.check("m4", [contact(4)])
    assert (refusal.scope, refusal.retry_after) == ("contact", timedelta(seconds=15))
    clock.seconds += 14.75
    assert not (await limiter.check("m5", [contact(4)])).allowed
    clock.seconds += 0.25
    assert (await limiter.check("m6", [contact(4)])).allowed


@pytest.mark.parametrize("amount", [7, 9_999, 700_000])
def test_an_amount_that_does_not_divide_its_period_is_still_exact(amount: int) -> None:
    cost, depth = limits.pace(Limit(amount, timedelta(seconds=1)))

    assert depth // cost == amount


async def test_of_several_limits_the_one_to_wait_longest_for_is_named() -> None:
    limiter = LocalLimiter(clock=HandClock())
    buckets = [tenant(1, period=timedelta(hours=1)), contact(1)]
    await limiter.check("m0", buckets)

    verdict = await limiter.check("m1", buckets)

    assert (verdict.scope, verdict.retry_after) == ("tenant", timedelta(hours=1))


async def test_a_refused_contact_does_not_use_up_what_belongs_to_the_others() -> None:
    limiter = LocalLimiter(clock=HandClock())
    for number in range(50):
        await limiter.check(f"ann{number}", [tenant(5), contact(2, "ann")])

    allowed = [(await limiter.check(f"bob{n}", [tenant(5), contact(9, "bob")])).allowed for n in range(4)]

    assert allowed == [True, True, True, False]


async def test_the_same_message_gets_the_same_verdict_and_is_charged_once() -> None:
    limiter = LocalLimiter(clock=HandClock())
    buckets = [contact(2)]
    for _ in range(5):
        assert (await limiter.check("m0", buckets)).allowed
    assert (await limiter.check("m1", buckets)).allowed

    first = await limiter.check("m2", buckets)

    assert first.tell
    assert await limiter.check("m2", buckets) == first
    assert not (await limiter.check("m3", buckets)).tell


async def test_a_contact_is_told_once_a_window() -> None:
    clock = HandClock()
    limiter = LocalLimiter(clock=clock)

    async def flood() -> int:
        verdicts = [await limiter.check(f"{clock.seconds}-{n}", [contact(3)]) for n in range(30)]
        return sum(verdict.tell for verdict in verdicts)

    told = []
    for _ in range(12):
        told.append(await flood())
        clock.seconds += 10

    assert told == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]


async def test_who_waited_out_a_limit_made_smaller_is_let_in() -> None:
    clock = HandClock()
    limiter = LocalLimiter(clock=clock)
    for number in range(10):
        await limiter.check(f"m{number}", [contact(10, period=timedelta(days=1))])

    verdict = await limiter.check("m10", [contact(1, period=timedelta(seconds=10))])
    clock.seconds += verdict.retry_after.total_seconds()

    assert (await limiter.check("m11", [contact(1, period=timedelta(seconds=10))])).allowed


async def test_each_gateway_takes_its_share_but_never_less_than_one() -> None:
    limiter = LocalLimiter(share=4, clock=HandClock())

    shared = [(await limiter.check(f"a{n}", [contact(12, "ann")])).allowed for n in range(5)]
    least = [(await limiter.check(f"b{n}", [contact(2, "bob")])).allowed for n in range(2)]

    assert shared == [True, True, True, False, False]
    assert least == [True, False]


async def test_a_crowd_of_contacts_does_not_wash_away_the_count_of_their_tenant() -> None:
    limiter = LocalLimiter(size=10, clock=HandClock())

    verdicts = [await limiter.check(f"m{n}", [tenant(300), contact(1, f"c{n}")]) for n in range(1_000)]

    assert sum(verdict.allowed for verdict in verdicts) == 300


async def test_whoever_is_being_refused_is_not_forgotten_in_the_crowd() -> None:
    limiter = LocalLimiter(size=10, clock=HandClock())
    let_in = 0
    for number in range(100):
        let_in += (await limiter.check(f"m{number}", [contact(1)])).allowed
        await limiter.check(f"n{number}", [contact(1, f"c{number}")])

    assert let_in == 1


class TokenBucket:
    """The same limit said differently, and in exact numbers: a store of messages that refills evenly."""

    def __init__(self, limit: Limit) -> None:
        self.size = Fraction(limit.amount)
        self.rate = self.size / Fraction(limit.period // timedelta(microseconds=1), 1_000_000)
        self.left = self.size
        self.seen = Fraction(0)

    def left_at(self, now: Fraction) -> Fraction:
        self.left = min(self.size, self.left + (now - self.seen) * self.rate)
        self.seen = now
        return self.left


@given(
    amounts=st.tuples(*[st.sampled_from([1, 2, 3, 5, 6, 10, 12])] * 2),
    steps=st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["ann", "bob"])), max_size=60),
)
async def test_it_decides_as_a_store_that_refills_evenly_would(
    amounts: tuple[int, int], steps: list[tuple[int, str]]
) -> None:
    clock = HandClock()
    limiter = LocalLimiter(clock=clock)
    of_tenant, of_contact = amounts
    stores = {"tenant": TokenBucket(Limit(of_tenant, MINUTE))}
    stores |= {name: TokenBucket(Limit(of_contact, MINUTE)) for name in ("ann", "bob")}
    for number, (quarter_seconds, name) in enumerate(steps):
        clock.seconds += quarter_seconds / 4
        touched = [stores["tenant"], stores[name]]
        missing = max((1 - store.left_at(Fraction(clock.seconds))) / store.rate for store in touched)

        verdict = await limiter.check(str(number), [tenant(of_tenant), contact(of_contact, name)])

        assert verdict.allowed == (missing <= 0)
        if verdict.allowed:
            for store in touched:
                store.left -= 1
        else:
            assert verdict.retry_after == timedelta(seconds=float(missing))


@given(
    size=st.integers(1, 5),
    operations=st.lists(st.tuples(st.sampled_from(["put", "drop", "get"]), st.integers(0, 9), st.integers(1, 9))),
)
def test_a_memory_stays_within_its_size_and_never_remembers_wrongly(
    size: int, operations: list[tuple[str, int, int]]
) -> None:
    memory: Memory[int] = Memory(size)
    truth: dict[str, tuple[int, int]] = {}
    for now, (operation, number, lasts) in enumerate(operations):
        key = str(number)
        if operation == "put":
            memory.put(key, now, now + lasts)
            truth[key] = (now + lasts, now)
            assert memory.get(key, now) == now
        elif operation == "drop":
            memory.drop(key)
            truth.pop(key, None)
        expires, value = truth.get(key, (0, None))
        assert memory.get(key, now) in ({None, value} if expires > now else {None})
        assert len(memory) <= size
