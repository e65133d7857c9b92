"""Replaced and lost builds, a few of each; and one that is wrong on purpose, which is found out.

Workers that are only restarted are the tests' of crashes, and many of them the long form's.
"""

import pytest

from tests.faults.catalogue import Entry
from tests.faults.of_deploys import ENTRIES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261130


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.id != "F22"], ids=lambda entry: entry.id)
async def test_nothing_is_amiss(entry: Entry) -> None:
    outcome = await entry.run(entry.short, SEED)
    assert outcome.amiss == {}, outcome.counts()


async def test_a_build_that_does_not_know_what_earlier_ones_began_is_found_out() -> None:
    [entry] = [entry for entry in ENTRIES if entry.id == "F22-builds"]
    assert entry.twin is not None
    outcome = await entry.twin(1, SEED)
    assert outcome.amiss.get("failed_tasks"), outcome.counts()
