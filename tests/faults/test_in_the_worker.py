"""The worker's faults, as few of each as show something."""

import pytest

from tests.faults.catalogue import Entry
from tests.faults.in_the_worker import ENTRIES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
SEED = 20261129


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.short], ids=lambda entry: entry.id)
async def test_nothing_is_amiss(entry: Entry) -> None:
    outcome = await entry.run(entry.short, SEED)
    assert outcome.amiss == {}, outcome.counts()
