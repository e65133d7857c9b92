"""Whoever takes a conversation over has it, at whatever moment of a turn; ``benchmarks.takeovers`` tries it a thousand
times."""

import pytest

from tests.acceptance.desks import Desk
from tests.acceptance.races import race

pytestmark = pytest.mark.stack


async def test_nothing_is_said_after_a_takeover_and_nothing_of_people_is_lost(desk: Desk) -> None:
    tally = await race(desk, 40, at_once=8, seed=20261128)
    assert (tally.trials, tally.faults) == (40, 0), tally
    # Some of them came early enough to cut an answer off, and some did not.
    assert 0 < tally.cut_off < 40, tally
