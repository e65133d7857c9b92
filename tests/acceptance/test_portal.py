"""The status page of a product that runs, and of one that lost a part."""

import os
import signal

import httpx
import pytest

from konstruct.embedded.loopback import http_answers
from tests.acceptance.town import Office, Town
from tests.portal.conftest import headline, rows
from tests.support.processes import ended, kill, paused, until

pytestmark = pytest.mark.stack

READY = "Konstruct is ready to answer."


def address(town: Town) -> str:
    return f"http://127.0.0.1:{town.env['KONSTRUCT_PORTAL_PORT']}"


async def opened(town: Town) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as visitor:
        page = await visitor.get(f"{address(town)}/status")
    assert page.status_code == 200
    return page


async def test_a_running_product_is_ready_and_its_page_names_nobody(town: Town, office: Office) -> None:
    page = await opened(town)

    assert headline(page) == READY
    states = rows(page)
    # One of the models is at an address where nobody listens.
    assert states.pop("Model") == "Needs a look"
    assert states == dict.fromkeys(states, "Working")
    for word in (office.slug, office.employee["name"], "demo", *town.keys.values()):
        assert word not in page.text
    assert any(address(town) in sentence for sentence in town.up.said)
    assert f"ok       portal: {address(town)}" in (await town.doctor()).said


async def test_while_postgres_is_away_the_page_says_so_and_when_it_is_back(town: Town) -> None:
    postgres = town.up.child("postgres")

    # What keeps it running is held, so that it stays away.
    async with paused(town.up.process.pid):
        os.kill(postgres, signal.SIGINT)
        await ended(postgres)
        page = await opened(town)
        assert headline(page) == "Konstruct cannot answer right now: it needs its database."
        assert rows(page)["Database"] == "Missing"

    async def is_ready() -> bool:
        return headline(await opened(town)) == READY

    await until(is_ready)


async def test_while_redis_and_temporal_hang_the_page_is_there_all_the_same(town: Town) -> None:
    async with paused(town.up.child("valkey-server")), paused(town.up.child("temporal")):
        page = await opened(town)

    assert headline(page) == "Konstruct cannot answer right now: it needs Temporal."
    assert (rows(page)["Redis"], rows(page)["Worker"]) == ("Needs a look", "Unknown")


async def test_a_portal_that_is_killed_is_started_again(town: Town) -> None:
    await kill(town.up.child("konstruct", "portal"))

    await until(lambda: http_answers(f"{address(town)}/health/live"))
