"""Slow clients, a few more than there is room for; and a portal that waits for them for ever, which is found out."""

import pytest

from tests.faults.slow_clients import ENTRIES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261129
[F15] = [entry for entry in ENTRIES if entry.short]


async def test_slow_clients_keep_nobody_from_being_answered() -> None:
    outcome = await F15.run(F15.short, SEED)
    assert outcome.amiss == {}, outcome.counts()


async def test_a_portal_that_waits_for_ever_is_found_out() -> None:
    assert F15.twin is not None
    outcome = await F15.twin(F15.short, SEED)
    assert outcome.amiss.get("kept"), outcome.counts()
