"""Some of the requests that nobody should send; and programs that are wrong about them, which are found out."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from pydantic import SecretStr

from gateway import app as gateway_app
from gateway import bodies
from konstruct import quarantine
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.app import build
from tests.faults import entrances, parsers
from tests.faults.broken.drops_what_is_odd import drop
from tests.faults.entrances import GATEWAY
from tests.faults.malformed import ENTRIES, Malformed, attacked, check_what_is_kept
from tests.support.http import serve

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261129
POSTED, PARSED = ENTRIES


@pytest.fixture(scope="module")
async def attack(
    settings: Settings, database: Database, vault: Vault, owner_url: SecretStr
) -> AsyncIterator[Callable[[int, int], Awaitable[Malformed]]]:
    """As the entry does it, with the servers of the tests instead of some of its own."""
    here = Settings(**settings.model_dump(exclude_unset=True) | GATEWAY)
    administrator = owner_url.get_secret_value()
    async with serve(gateway_app.build(here)) as gateway, serve(build(here)) as portal:
        world = await entrances.opened(here, database, vault, administrator, 2 * POSTED.short)

        async def attack(inputs: int, seed: int) -> Malformed:
            found = await attacked(world, (gateway, portal), inputs, seed)
            await check_what_is_kept(found, administrator)
            return found

        yield attack


async def test_nothing_that_comes_in_is_our_failure(attack: Callable[[int, int], Awaitable[Malformed]]) -> None:
    found = await attack(POSTED.short, SEED)
    assert found.amiss == {}, found.counts()


async def test_a_gateway_that_keeps_nothing_of_what_it_cannot_read_is_found_out(
    attack: Callable[[int, int], Awaitable[Malformed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "keep", drop)
    found = await attack(POSTED.short // 2, SEED + 1)
    assert found.unkept, found.counts()


async def test_nothing_that_is_read_is_our_failure() -> None:
    found = await PARSED.run(PARSED.short, SEED)
    assert found.amiss == {}, found.counts()


def test_a_parser_that_lets_half_a_character_through_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_check", lambda value, depth: None)
    found = parsers.tried("bodies", 500, SEED)
    assert found is not None
    assert "UnicodeEncodeError" in found
