"""One running product for all acceptance tests; each test begins with healthy models and a channel of its own.

It ends with the last of them that its process runs, since at rest it uses a tenth of a processor.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.desks import Desk, open_desk
from tests.acceptance.shops import Shop, open_shop
from tests.acceptance.town import Office, Town, running_town
from tests.support.ports import free_ports


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    # In whichever of them is the first of its process, the town is built, next to those of other processes.
    for item in items:
        if item.nodeid.startswith("tests/acceptance/") and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))


@contextmanager
def made_folder() -> Iterator[Path]:
    # Pytest's own folders let only their owner in, and Postgres may have to run under another account.
    folder = Path(tempfile.mkdtemp(prefix="konstruct-acceptance-"))
    folder.chmod(0o755)
    (folder / "data").mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    with made_folder() as folder:
        yield folder


@pytest.fixture(scope="package")
async def standing_town() -> AsyncIterator[Town]:
    ports = free_ports("gateway_port", "portal_port", "ui_port", "refusing_port", "crm_port")
    with made_folder() as folder:
        async with running_town(folder, **ports) as town:
            yield town


@pytest.fixture(scope="package")
async def standing_office(standing_town: Town) -> Office:
    return await standing_town.new_office(name="Ada", role="Front desk", prompt="Acme sells bicycles.")


@pytest.fixture
async def town(standing_town: Town) -> Town:
    await standing_town.forget()
    return standing_town


@pytest.fixture
async def office(town: Town, standing_office: Office) -> Office:
    """For tests that leave their tenant as it was."""
    return standing_office


@pytest.fixture(scope="package")
async def standing_desk(standing_town: Town) -> Desk:
    return await open_desk(standing_town)


@pytest.fixture
async def desk(town: Town, standing_desk: Desk) -> Desk:
    return standing_desk


@pytest.fixture(scope="package")
async def standing_shop(standing_town: Town) -> Shop:
    return await open_shop(standing_town)


@pytest.fixture
async def shop(town: Town, standing_shop: Shop) -> Shop:
    """For tests that leave its file as it is, or put it back."""
    return standing_shop
