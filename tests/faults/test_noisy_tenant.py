"""A business that is written to far too often, for a few seconds; and a gateway that refuses in silence."""

import pytest

from tests.faults.noisy_tenant import ENTRIES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261130
[NOISE] = ENTRIES


async def test_who_is_refused_is_told_and_nothing_is_lost() -> None:
    outcome = await NOISE.run(NOISE.short, SEED)
    assert outcome.amiss == {}, outcome.counts()
    assert outcome.counts()["refused"], outcome.counts()


async def test_a_gateway_that_refuses_in_silence_is_found_out() -> None:
    assert NOISE.twin is not None
    outcome = await NOISE.twin(NOISE.twin_times, SEED)
    assert outcome.amiss.get("untold"), outcome.counts()
