"""A shop that an employee may ask."""

from typing import Any, Final

import pytest

from tests.support.office import Office
from tests.support.workshop import define, over_http, publish

SHOP: Final = "https://shop.example.com/orders"
ORDER: Final[dict[str, Any]] = {"type": "object", "properties": {"order": {"type": "string"}}}


@pytest.fixture
async def shop(office: Office) -> Office:
    """An employee that may look without asking, pay after asking, mail at will and note what it learns."""
    await define(office, "look", over_http(SHOP, parameters=ORDER))
    await define(office, "pay", over_http(SHOP, "POST", "changes", parameters=ORDER, timeout_seconds=40))
    await define(office, "mail", over_http(SHOP, "POST", "sends", parameters=ORDER))
    await publish(office, "look", "pay", {"name": "mail", "approval": "never"}, "remember", "current_time")
    return office
