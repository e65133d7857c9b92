"""Nothing that asks addresses leads inside; without the judgement of addresses it would, and that would be seen."""

import pytest

from tests.faults.inner_addresses import ENTRIES, attempts

SEED = 20261129
[ENTRY] = ENTRIES


@pytest.mark.timeout(300)
async def test_nobody_inside_is_connected_to() -> None:
    outcome = await ENTRY.run(ENTRY.short, SEED)
    assert outcome.amiss == {}, outcome.counts()


@pytest.mark.timeout(300)
async def test_where_addresses_are_not_judged_it_is_found_out() -> None:
    assert ENTRY.twin is not None
    outcome = await ENTRY.twin(ENTRY.short, SEED)
    assert outcome.amiss["inner_hits"], outcome.counts()


def test_there_are_enough_of_each_kind() -> None:
    every = list(attempts())
    assert len({(attempt.who, attempt.how) for attempt in every}) == len(every)
    assert len(every) <= ENTRY.full
