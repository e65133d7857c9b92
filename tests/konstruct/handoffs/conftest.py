"""An office with people at its desk, where somebody wants one."""

import pytest

from konstruct.inbox import Accepted
from tests.support.handoffs import seat
from tests.support.office import Office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    await seat(office)
    return await office.say("I want a person")
