"""F10 and F11: what comes several times, in another order, days late, or all at once."""

import asyncio
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Final

from redis.asyncio import Redis

from tests.faults.callers import Caller
from tests.faults.catalogue import Entry, Outcome, Tally
from tests.faults.history import Word
from tests.faults.lab import Lab
from tests.faults.off_clock import off_by
from tests.faults.people import Posting, Writer
from tests.faults.services import KONSTRUCT
from tests.faults.sharing import OnLab, gateways_become
from tests.support.commands import konstruct

COPIES: Final = 5
WINDOW: Final = 20
"""Words whose posts come in any order."""
A_WEEK: Final = timedelta(days=7)
PICTURES: Final = 10
ALBUMS_AT_ONCE: Final = 4
KEEPS_EVERY_REPETITION: Final = ("tests.faults.broken.keeps_every_repetition",)
A_WEEK_AHEAD: Final = off_by(A_WEEK.total_seconds(), KONSTRUCT)
OPENS_SIDE_BY_SIDE: Final = ("tests.faults.broken.opens_side_by_side",)

Written = tuple[Word, Posting]


async def repeated(lab: Lab, words: int) -> Outcome:
    """``words``: how many are written; each is posted five times within its window, and once more a week later."""
    written: list[Written] = []
    while len(written) < words:
        written += await _window(lab, min(WINDOW, words - len(written)))
    await lab.come_to_rest()
    late = await _a_week_late(lab)
    await lab.come_to_rest()

    for writers in (lab.crowd.people, lab.crowd.callers):
        await _erase(lab, next(writer for writer in writers if writer.said))
    before = await _kept(lab)
    await _forget_all(lab)
    await gateways_become(lab, A_WEEK_AHEAD)
    lab.note(f"{len(written)} words came again a week later")
    lab.slack.clock_ahead = A_WEEK
    try:
        statuses = [await lab.crowd.post(word, posting) for word, posting in written]
    finally:
        lab.slack.clock_ahead = timedelta(0)
    verdict = await lab.judged()
    more = await _kept(lab) - before
    return Tally.beside(
        verdict,
        {
            "posts": len(written) * (COPIES + 1) + len(late),
            "a_week_late": len(late),
            "acknowledged_again": sum(statuses),
        },
        {"kept_again": [f"{count} {kind}" for kind, count in more.items()]},
    )


async def _window(lab: Lab, words: int) -> list[Written]:
    """What several people wrote, posted several times and in any order, though by each of them one at a time: so it can
    be told in which order they were taken."""
    writers = lab.chance.sample(lab.crowd.writers, 4)
    written = [(writer, writer.write()) for writer in (lab.chance.choice(writers) for _ in range(words))]
    posts = written * COPIES
    lab.chance.shuffle(posts)
    by_writer: defaultdict[str, list[Written]] = defaultdict(list)
    for writer, each in posts:
        by_writer[writer.thread].append(each)

    async def post_all(theirs: list[Written]) -> None:
        # Their order is the one in which they come first, whatever they were written in.
        places = sorted({word.number for word, _ in theirs}, reverse=True)
        for word, posting in theirs:
            if not word.tries:
                word.number = places.pop()
            await lab.crowd.deliver(word, posting)

    lab.note(f"{words} words came {COPIES} times, in any order")
    async with asyncio.TaskGroup() as posting:
        for theirs in by_writer.values():
            posting.create_task(post_all(theirs))
    return [each for _, each in written]


async def _a_week_late(lab: Lab) -> list[Word]:
    """What Meta could not deliver for a week. By then nobody may be answered, but asked to write again, and those who
    do are answered."""

    async def write_late(caller: Caller) -> list[Word]:
        caller.delay = A_WEEK
        late = await caller.say()
        await lab.graph.wait_for_sent(caller.office.number, caller.contact, timeout=60)
        caller.delay = timedelta(0)
        return [late, await caller.say()]

    callers = [lab.caller(office) for office in lab.offices]
    return [word for words in await asyncio.gather(*map(write_late, callers)) for word in words]


async def _forget_all(lab: Lab) -> None:
    """As a cache has after a week, or after any restart."""
    async with Redis.from_url(lab.deployment.env["KONSTRUCT_REDIS_URL"]) as cache:
        await cache.flushall()


async def _erase(lab: Lab, writer: Writer) -> None:
    """What they said is known by a digest from then on, and must not bring them back."""
    arguments = ("contact", "erase", writer.known_as, "--tenant", writer.office.slug, "--yes")
    done = await konstruct(*arguments, env=lab.deployment.env)
    assert done.status == 0, done


async def _kept(lab: Lab) -> Counter[str]:
    """How many rows there are of what a message makes."""
    tables = ("contacts", "conversations", "messages")
    return Counter({table: await lab.administrator.fetchval(f"select count(*) from {table}") for table in tables})


async def album(lab: Lab, contacts: int) -> Outcome:
    """Ten messages at once of each of so many people whom nobody knew, half of them over either channel."""
    lab.crowd.people.clear()
    lab.crowd.callers.clear()
    before = await _kept(lab)
    writers: list[Writer] = []
    for number in range(contacts):
        office = lab.offices[number // 2 % len(lab.offices)]
        writers.append(lab.caller(office) if number % 2 else lab.crowd.person(office))
    waiting = iter(writers)

    async def send_some() -> None:
        for writer in waiting:
            lab.note(f"{PICTURES} messages came at once")
            await writer.say_at_once(PICTURES, lab.chance)

    async with asyncio.TaskGroup() as sending:
        for _ in range(ALBUMS_AT_ONCE):
            sending.create_task(send_some())
    verdict = await lab.judged()
    made = (await _kept(lab) - before)["conversations"]
    return Tally.beside(
        verdict,
        {"contacts": contacts, "conversations": made},
        {"conversations_too_many": [f"{made} of {contacts} contacts"] if made != contacts else []},
    )


async def album_without_index(lab: Lab, contacts: int) -> Outcome:
    """With a database that lets the gateway make its mistake, and does from then on."""
    await lab.administrator.execute(
        "alter table conversations drop constraint conversations_tenant_id_connection_id_channel_root_key"
    )
    return await album(lab, contacts)


ENTRIES: Final = (
    Entry(
        "F10",
        "Every message comes five times, in any order within a window of twenty, and once more seven days later, when"
        " some of their authors were erased; some come for the first time seven days late",
        "Each is kept once, answered once, and in the order in which it was taken; what comes a week late is answered"
        " as soon as the channel allows it.",
        full=10_000,
        short=12,
        run=OnLab(repeated),
        twin=OnLab(repeated, KEEPS_EVERY_REPETITION),
    ),
    Entry(
        "F11",
        "Ten messages at once of a contact whom nobody knew, over Slack and over WhatsApp",
        "Each contact has one conversation, and nothing is lost or answered twice.",
        full=200,
        short=4,
        run=OnLab(album),
        twin=OnLab(album_without_index, OPENS_SIDE_BY_SIDE),
    ),
)
