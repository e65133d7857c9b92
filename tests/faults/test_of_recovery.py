"""A backup that is put back, once; and that without the command it would be found out."""

import pytest

from tests.faults.catalogue import Entry
from tests.faults.of_recovery import ENTRIES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261129


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
async def test_nothing_is_amiss(entry: Entry) -> None:
    outcome = await entry.run(entry.short, SEED)
    assert outcome.amiss == {}, outcome.counts()


async def test_a_backup_that_is_put_back_naively_is_found_out() -> None:
    """The other entry's program that is wrong on purpose waits in vain for long; ``make faults`` has it found out."""
    [entry] = [entry for entry in ENTRIES if entry.id == "F30"]
    assert entry.twin is not None
    outcome = await entry.twin(entry.short, SEED)
    assert outcome.amiss.get("doubled"), outcome.counts()
