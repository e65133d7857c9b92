"""F13: posts of people who are not who they say, to each of the webhooks; nothing may come of any of them."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp

from tests.faults.catalogue import Entry, Outcome, Tally
from tests.faults.forging import KEPT_ASIDE, Forger, Forgery
from tests.faults.lab import Lab
from tests.faults.sharing import STRIPE_SECRET, OnLab

AT_ONCE: Final = 8
QUARANTINE: Final = "quarantined_events"
TAKES_OLD_SIGNATURES: Final = ("tests.faults.broken.takes_old_signatures",)
BELIEVES_ANY_TENANT: Final = ("tests.faults.broken.believes_any_tenant",)
_TABLES: Final = "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
_CONTENT: Final = "select count(*), sum(hashtextextended(t::text, 0)) from {} t"
"""How many rows there are, and a number that is another one when one of them has changed."""


async def forged(lab: Lab, posts: int) -> Outcome:
    """As many of each kind. Workers stand still meanwhile: whatever changes in the database was changed by a post."""
    app_secret = secrets.token_hex(16)
    other = await lab.new_office(app_secret=app_secret)
    lab.offices.remove(other)
    forger = Forger(
        lab.chance,
        slack_secret=lab.slack.signing_secret,
        meta_secret=lab.graph.app_secret,
        stripe_secret=STRIPE_SECRET,
        app_secret=app_secret,
        person=lab.crowd.person(lab.offices[0]),
        caller=lab.caller(lab.offices[0]),
        other=other,
    )
    kinds = forger.kinds
    await lab.come_to_rest()
    async with AsyncExitStack() as still:
        for worker in lab.deployment.workers:
            await still.enter_async_context(worker.held())
        before = await _tables(lab)
        answers = await _post_all(lab, (kinds[number % len(kinds)]() for number in range(posts)))
        after = await _tables(lab)
    aside = after.pop(QUARANTINE)[0] - before.pop(QUARANTINE)[0]
    to_be_aside = sum(wanted == KEPT_ASIDE for _, _, wanted in answers.elements())
    counts: dict[str, object] = {"posts": answers.total(), "kinds": len(kinds), "kept_aside": aside}
    counts |= {f"{what}, answered {status}": many for (what, status, _), many in sorted(answers.items())}
    return Tally(
        counts,
        {
            "accepted": [f"{what}: {status}" for what, status, wanted in answers if status != wanted],
            "changed": [table for table, content in after.items() if content != before[table]],
            "astray": [f"{aside} were kept aside, and not {to_be_aside}"] if aside != to_be_aside else [],
        },
    )


async def _post_all(lab: Lab, forgeries: Iterator[Forgery]) -> Counter[tuple[str, int, int]]:
    """How often each kind was answered with which status, beside the one that it has to be."""
    answers: Counter[tuple[str, int, int]] = Counter()
    urls = lab.deployment.gateway_urls

    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as posting:

        async def post_some() -> None:
            for each in forgeries:
                url = f"{lab.chance.choice(urls)}{each.path}"
                async with http.post(url, data=each.body, headers=each.headers) as answer:
                    answers[each.what, answer.status, each.answer] += 1

        for _ in range(AT_ONCE):
            posting.create_task(post_some())
    return answers


async def _tables(lab: Lab) -> dict[str, tuple[Any, ...]]:
    names = [row[0] for row in await lab.administrator.fetch(_TABLES)]
    return {name: tuple(await lab.administrator.fetchrow(_CONTENT.format(name))) for name in names}


ENTRIES: Final = (
    Entry(
        "F13",
        "Forged posts to the webhooks of Slack, WhatsApp and Stripe: unsigned, signed by somebody else, for another"
        " post or at another time; or rightly, by one tenant about another's channel",
        "None is accepted: no row of any table is new or another one, but for what is authentic and nobody's, which is"
        " kept aside.",
        full=10_000,
        short=64,
        run=OnLab(forged),
        twin=OnLab(forged, TAKES_OLD_SIGNATURES),
    ),
)
