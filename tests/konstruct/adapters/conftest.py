"""A Valkey that tests may hang, kill and start again."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from konstruct.adapters.redis import Circuit, connect
from tests.support.valkey import Valkey

PATIENT = timedelta(seconds=10)
"""For tests about counting: a busy machine must not look like a dead Redis."""
AT_ONCE = timedelta(0)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture
def valkey(valkey_server: Valkey) -> Iterator[Valkey]:
    """Running, whatever the test before has done to it."""
    yield valkey_server.start()
    valkey_server.start().resume()


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    async with connect(valkey.url, time_limit=PATIENT) as client:
        yield client


@pytest.fixture
def circuit() -> Circuit:
    return Circuit(time_limit=PATIENT, open_for=AT_ONCE)
