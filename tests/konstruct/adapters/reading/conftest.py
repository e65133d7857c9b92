"""One reader for all tests, so that each also shows that it outlived the documents before."""

import pytest

from konstruct.adapters.reading.reader import SubprocessReader


@pytest.fixture(scope="session")
def reader() -> SubprocessReader:
    return SubprocessReader()
