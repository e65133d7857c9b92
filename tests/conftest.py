"""Real servers for all tests, each started when the first test asks for it and ended with the session; and what many
tests begin with."""

import gc
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import structlog
from pydantic import SecretStr
from temporalio.client import Client

from konstruct import db, temporal
from konstruct.db import Database
from konstruct.embedded import loopback
from konstruct.embedded import postgres as embedded_postgres
from konstruct.embedded import temporal as embedded_temporal
from konstruct.embedded import valkey as embedded_valkey
from konstruct.embedded.supervisor import Supervisor
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.support.doubles import RecordingMessenger, ScriptedModel
from tests.support.handoff_worker import working
from tests.support.keys import ENCRYPTION_KEY
from tests.support.office import Office, open_office
from tests.support.ports import own_candidates
from tests.support.spans import Spans, kept_spans
from tests.support.trail import Trail, open_trail

# As it comes, structlog draws each traceback with all variables, which can take longer than a webhook may.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        structlog.dev.ConsoleRenderer(colors=False),
    ]
)

loopback.candidates = own_candidates()


def pytest_configure() -> None:
    # Processes that share the tests out have to collect the same, with sets in one order; another one each time.
    os.environ.setdefault("PYTHONHASHSEED", str(secrets.randbelow(1 << 32)))


# What is imported and collected stays to the end: whoever looks for garbage need not walk through it, neither while
# there is more and more of it, which takes two fifths of the time, nor later.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture
def spans() -> Iterator[Spans]:
    with kept_spans() as spans:
        yield spans


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    # Pytest's own folders let only their owner in, and Postgres may have to run under another account.
    folder = Path(tempfile.mkdtemp(prefix="konstruct-servers-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o700)
    yield data
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Supervisor]:
    async with Supervisor(lambda sentence: None) as supervisor:
        yield supervisor


@pytest.fixture(scope="session")
async def postgres(servers: Supervisor, servers_folder: Path) -> embedded_postgres.Postgres:
    part = await embedded_postgres.prepared(servers_folder)
    await servers.start(part.program)
    await part.create_database()
    return part


@pytest.fixture(scope="session")
async def owner_url(postgres: embedded_postgres.Postgres) -> SecretStr:
    """The administrator's login to a database that is migrated to the newest version."""
    url = SecretStr(postgres.owner_url)
    await db.migrate(url)
    return url


@pytest.fixture(scope="session")
async def database(postgres: embedded_postgres.Postgres, owner_url: SecretStr) -> AsyncIterator[Database]:
    """As the product sees it: under row security."""
    # Where three processes share a machine, one waits for a connection now and then.
    opened = Database(SecretStr(postgres.app_url), longest_wait=timedelta(seconds=30))
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def vault() -> Vault:
    return Vault((ENCRYPTION_KEY,))


@pytest.fixture(scope="session")
async def redis_url(servers: Supervisor, servers_folder: Path) -> str:
    part = embedded_valkey.prepared(servers_folder)
    await servers.start(part.program)
    return part.url


@pytest.fixture(scope="session")
async def temporal_address(servers: Supervisor, servers_folder: Path) -> str:
    part = embedded_temporal.prepared(servers_folder, "default", loopback.free_port())
    await servers.start(part.program)
    return part.address


@pytest.fixture(scope="session")
def settings(
    postgres: embedded_postgres.Postgres,
    owner_url: SecretStr,
    redis_url: str,
    temporal_address: str,
    servers_folder: Path,
) -> Settings:
    """A deployment on these servers, without any model or channel."""
    return Settings(
        data_dir=servers_folder,
        database_url=SecretStr(postgres.app_url),
        database_owner_url=owner_url,
        redis_url=SecretStr(redis_url),
        temporal_address=temporal_address,
        encryption_keys=(ENCRYPTION_KEY,),
        turn_budget_seconds=20,
    )


@pytest.fixture(scope="session")
async def temporal_client(settings: Settings) -> Client:
    return await temporal.connect(settings)


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    """A business of the test's own."""
    return await open_office(database, vault)


@pytest.fixture
async def at_work(settings: Settings, office: Office) -> AsyncIterator[Client]:
    """Somebody does what agents ask for in the office's conversations."""
    async with working(settings, office) as client:
        yield client


@pytest.fixture
async def administrator(owner_url: SecretStr) -> AsyncIterator[asyncpg.Connection]:
    """For whom no row security holds."""
    connection = await asyncpg.connect(owner_url.get_secret_value())
    yield connection
    await connection.close()


@pytest.fixture
async def trail(office: Office, owner_url: SecretStr, tmp_path: Path) -> AsyncIterator[Trail]:
    async with open_trail(office, owner_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def messenger() -> RecordingMessenger:
    return RecordingMessenger()


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()
