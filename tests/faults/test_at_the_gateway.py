"""The gateway's faults, a few of each; and the programs that are wrong on purpose, which are found out."""

import pytest

from tests.faults.at_the_gateway import ENTRIES
from tests.faults.catalogue import Entry

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261129


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
async def test_nothing_is_amiss(entry: Entry) -> None:
    outcome = await entry.run(entry.short, SEED)
    assert outcome.amiss == {}, outcome.counts()


async def test_a_gateway_that_acknowledges_first_is_found_out() -> None:
    [entry] = [entry for entry in ENTRIES if entry.id == "F1"]
    assert entry.twin is not None
    outcome = await entry.twin(entry.short, SEED)
    assert outcome.amiss.get("lost"), outcome.counts()
