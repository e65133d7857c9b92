"""The long run, made short: everything that it does is there, with a few of its faults."""

import pytest

from tests.faults.soak import ENTRIES, soaked

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
SEED = 72
[SOAK] = ENTRIES


async def test_nothing_is_amiss_when_things_break() -> None:
    run = await soaked(SOAK.short, SEED, faults=4, offices=1, people=6, tells=False)
    assert run.amiss == {}, run.counts()
    assert (run.verdict.said, run.verdict.faults, run.takeovers) == (SOAK.short, 4, 1)
