"""Builds that take each other's place. Workers that are only restarted are in the tests of crashes too, and builds that
are gone in ``tests/workflows/test_deploys.py``."""

import pytest

from tests.faults.of_deploys import ENTRIES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261130
[BUILDS] = [entry for entry in ENTRIES if entry.id == "F22-builds"]


async def test_nothing_is_amiss_when_builds_take_each_others_place() -> None:
    outcome = await BUILDS.run(BUILDS.short, SEED)
    assert outcome.amiss == {}, outcome.counts()
