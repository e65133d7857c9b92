"""Keys that are replaced, and one that is gone before its time."""

import pytest

from tests.faults.of_keys import ENTRIES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
SEED = 20261130
[ENTRY] = ENTRIES


async def test_nothing_is_lost_whichever_key_is_there() -> None:
    outcome = await ENTRY.run(ENTRY.short, SEED)
    assert outcome.amiss == {}, outcome.counts()
