"""A Valkey that tests may hang, kill and start again, and a workspace of the pretended Slack."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import aiohttp
import pytest
from redis.asyncio import Redis

from konstruct.adapters.redis import Circuit, connect
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.ports import ChannelAccount, Thread
from tests.konstruct.adapters.slack_place import SCOPES, account_of, thread_in
from tests.support.slack_double import SlackDouble, Workspace
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


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as double:
        yield double


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


@pytest.fixture
def workspace(slack: SlackDouble) -> Workspace:
    """Installed with the manifest's permissions and no others."""
    added = slack.world.add_workspace(scopes=SCOPES)
    added.add_channel("C1")
    return added


@pytest.fixture
def account(workspace: Workspace) -> ChannelAccount:
    return account_of(workspace)


@pytest.fixture
def thread(slack: SlackDouble, workspace: Workspace) -> Thread:
    return thread_in(slack, workspace, workspace.channels["C1"])


@pytest.fixture
def messenger(session: aiohttp.ClientSession, slack: SlackDouble) -> SlackMessenger:
    return SlackMessenger(session, slack.api_url)
