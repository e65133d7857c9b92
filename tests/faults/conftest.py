"""Twins are amiss each time, so what is kept of that goes when pytest tidies up."""

import pytest

from tests.faults import lab


@pytest.fixture(scope="session", autouse=True)
def _kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    lab.KEPT_IN = tmp_path_factory.mktemp("kept")
