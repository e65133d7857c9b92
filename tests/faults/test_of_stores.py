"""Servers that go away and programs that are killed, a few of each.

Who relies on what may go is found out in full runs, since one fault may find it doing nothing.
"""

import pytest

from tests.faults.lab import open_lab
from tests.faults.of_disks import only_read
from tests.faults.of_stores import postgres_restarted, temporal_away, valkey_away
from tests.faults.of_the_trail import programs_killed
from tests.faults.services import KONSTRUCT
from tests.faults.tries import all_well, answered_otherwise, talking

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
SEED = 20261130


async def test_nothing_is_lost_whatever_goes_away() -> None:
    """One after the other, in one deployment: each is judged by all that was said until then."""
    async with open_lab(SEED, gateways=(KONSTRUCT, KONSTRUCT)) as lab:
        for trial, times in ((postgres_restarted, 1), (temporal_away, 3), (valkey_away, 1)):
            outcome = await trial(lab, times)
            assert outcome.amiss == {}, outcome.counts()
        async with talking(lab, a_second=8.0):
            await only_read(lab)
            await all_well(lab)
        assert answered_otherwise(lab) == []
        verdict = await programs_killed(lab, 1)
        assert verdict.amiss == {}, verdict.counts()
