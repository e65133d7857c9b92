"""Whatever kills, stops and cuts off real processes is marked as such, and runs where KONSTRUCT_FAULTS is set."""

from collections.abc import Sequence
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("stack") is not None:
            item.add_marker(pytest.mark.faults)
