"""F12, as far as gateways go: their clocks are ten minutes ahead or behind, while everybody else's are right."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Final

from tests.faults.catalogue import Entry, Outcome, Tally
from tests.faults.history import Word
from tests.faults.lab import Lab
from tests.faults.off_clock import off_by
from tests.faults.people import Posting
from tests.faults.services import KONSTRUCT
from tests.faults.sharing import OnLab, gateways_become
from tests.support.processes import until

WRONG_BY: Final = timedelta(minutes=10)
ANSWERS_REFUSALS: Final = ("tests.faults.broken.answers_refusals",)
REFUSED: Final = 401

Written = tuple[Word, Posting]


async def told_wrong(lab: Lab, words: int, right: tuple[str, ...] = KONSTRUCT) -> Outcome:
    """In rounds of one word of each person. It is said while one gateway's clock is ahead and the other's behind, so
    that Slack, which signs the moment, is refused, and Meta, which does not, is not; then the clocks are put right."""
    seconds = WRONG_BY.total_seconds()
    too_fresh: list[str] = []
    refused = replayed = taken_again = said = 0
    of_slack: list[Written] = []
    while said < words:
        await gateways_become(lab, off_by(seconds, right), off_by(-seconds, right))
        lab.note("one gateway's clock is ten minutes ahead, and another's behind")
        # To the one that is behind, what was recorded ten minutes ago is new; it knows the message all the same.
        taken_again += sum(await _replay(lab, of_slack))
        of_slack = [person.write() for person in lab.crowd.people[: (words - said + 1) // 2]]
        of_meta = [caller.write() for caller in lab.crowd.callers[: (words - said) // 2]]
        delivering = [asyncio.create_task(lab.crowd.deliver(*each)) for each in (*of_slack, *of_meta)]
        await until(partial(_are_judged, of_slack, of_meta), timeout=60)
        too_fresh += [word.mark for word, _ in of_slack if word.taken_at is not None]
        refused += sum(REFUSED in word.statuses for word, _ in of_slack)

        await gateways_become(lab, right)
        await asyncio.gather(*delivering)
        said += len(delivering)
        replayed += len(of_slack)
        too_fresh += ["a recording" for is_taken in await _replay(lab, of_slack) if is_taken]
    verdict = await lab.judged()
    counts = {"refused_as_stale": refused, "replayed": replayed, "taken_again_by_a_clock_behind": taken_again}
    return Tally.beside(verdict, counts, {"too_fresh": too_fresh})


def _are_judged(of_slack: list[Written], of_meta: list[Written]) -> bool:
    return all(word.statuses for word, _ in of_slack) and all(word.taken_at is not None for word, _ in of_meta)


async def _replay(lab: Lab, written: list[Written]) -> list[bool]:
    """Whether what somebody recorded ten minutes ago, and posts now with its signature, is acknowledged."""
    lab.slack.clock_ahead = -WRONG_BY
    try:
        return [await lab.crowd.post(*each) for each in written]
    finally:
        lab.slack.clock_ahead = timedelta(0)


ENTRIES: Final = (
    Entry(
        "F12-gateway",
        "Gateways' clocks are ten minutes ahead or behind; and what was signed ten minutes ago is played again",
        "What is fresh is refused as stale, and taken once the clock is right; what is played again is refused by a"
        " right clock, and changes nothing where a wrong one takes it.",
        full=500,
        short=6,
        run=OnLab(told_wrong),
        twin=OnLab(partial(told_wrong, right=ANSWERS_REFUSALS), ANSWERS_REFUSALS),
    ),
)
