"""Takeovers at every moment of a turn, a few of each; and a worker without a fence, which is found out."""

import sys
from collections.abc import AsyncIterator

import pytest

from tests.faults import of_people
from tests.faults.agents import Agents
from tests.faults.lab import Lab
from tests.faults.of_people import ENTRIES, SENDS_AFTER_TAKEOVER, TAKEOVERS, before_it_is_sent, opened, race, try_all

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261130
SHORT = {entry.id: entry.short for entry in ENTRIES}


@pytest.fixture(scope="module")
async def at_work() -> AsyncIterator[tuple[Lab, Agents]]:
    """One deployment for all of them. What its people said before stays in the history, and has to hold, too."""
    async with opened(SEED, people=0, machines=1) as office:
        yield office


async def test_nothing_is_said_after_a_takeover(at_work: tuple[Lab, Agents]) -> None:
    lab, agents = at_work
    people = [lab.crowd.person(lab.offices[0]) for _ in range(SHORT["F20"] * len(TAKEOVERS))]
    await try_all(lab, agents, people, TAKEOVERS)
    verdict = await lab.judged()
    assert verdict.amiss == {}, verdict.counts()
    assert (len(lab.history.takeovers), len(lab.history.replies)) == (len(people), 2 * len(people))
    assert of_people.cut_off(lab.history) > 0


async def test_each_turn_has_one_author(at_work: tuple[Lab, Agents]) -> None:
    lab, agents = at_work
    await try_all(lab, agents, [lab.crowd.person(lab.offices[1]) for _ in range(SHORT["F21"])], (race,))
    verdict = await lab.judged()
    assert verdict.amiss == {}, verdict.counts()


async def test_a_worker_without_a_fence_is_found_out(at_work: tuple[Lab, Agents]) -> None:
    lab, agents = at_work
    [worker] = lab.deployment.workers
    worker.become((sys.executable, "-m", *SENDS_AFTER_TAKEOVER, "worker"))
    await worker.kill()
    await try_all(lab, agents, [lab.crowd.person(lab.offices[0]) for _ in range(2)], (before_it_is_sent,))
    verdict = await lab.judged()
    assert verdict.amiss.get("after_takeover"), verdict.counts()
