"""The status page against parts that are there, away, or hang; and what it must not say."""

import asyncio
import socket

from fastapi import FastAPI

from konstruct import connections, doctor
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tables import Tenant
from konstruct.vault import Vault
from tests.portal.conftest import browser, headline, rows
from tests.support.http import serve
from tests.support.office import open_office


async def test_where_nothing_is_set_the_page_says_what_is_needed(nothing: Settings) -> None:
    async with browser(nothing) as visitor:
        page = await visitor.get("/status")

    assert page.status_code == 200
    assert headline(page) == (
        "Konstruct cannot answer right now: it needs its database, Redis, Temporal, a model and its encryption keys."
    )
    assert rows(page) == {
        "Database": "Missing",
        "Redis": "Missing",
        "Temporal": "Missing",
        "Worker": "Unknown",
        "Model": "Missing",
        "Encryption keys": "Missing",
        "Gateway": "Needs a look",
    }
    assert "bin/konstruct doctor" in page.text
    assert "bin/konstruct chat" not in page.text


async def test_parts_that_answer_are_working(settings: Settings) -> None:
    model = FastAPI()
    gateway = FastAPI()

    @model.get("/models")
    @gateway.get("/health/live")
    async def answer() -> str:
        return "ok"

    async with serve(model) as model_url, serve(gateway) as gateway_url:
        here = settings.model_copy(
            update={"local_model_base_url": model_url, "gateway_port": int(gateway_url.rpartition(":")[2])}
        )
        async with browser(here) as visitor:
            page = await visitor.get("/status")

    states = rows(page)
    # Whether somebody works on conversations depends on the tests that ran before on the same Temporal.
    del states["Worker"]
    assert states == dict.fromkeys(states, "Working")


async def test_parts_that_hang_are_named_and_their_addresses_are_not(nothing: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as never_answers:
        port = never_answers.getsockname()[1]
        there = {
            "database_url": f"postgresql://konstruct_app:canary@127.0.0.1:{port}/konstruct",
            "redis_url": f"redis://:canary@127.0.0.1:{port}/0",
            "temporal_address": f"127.0.0.1:{port}",
            "temporal_namespace": "canary",
            "ollama_base_url": f"http://canary:canary@127.0.0.1:{port}",
            "openai_base_url": f"http://127.0.0.1:{port}/canary",
            "openai_api_key": "canary",
            "gateway_port": port,
        }
        async with browser(Settings(**(nothing.model_dump() | there))) as visitor:
            page = await visitor.get("/status")

    assert page.status_code == 200
    assert {part: state for part, state in rows(page).items() if state != "Missing"} == {
        "Redis": "Needs a look",
        "Worker": "Unknown",
        "Gateway": "Needs a look",
    }
    assert "canary" not in page.text
    assert str(port) not in page.text


async def test_a_tenant_whose_connection_is_in_trouble_is_not_named(
    settings: Settings, database: Database, vault: Vault
) -> None:
    office = await open_office(database, vault)
    async with office.session() as session:
        await connections.mark(
            session, office.connection_id, status="revoked", reason="token_revoked", actor="canary-actor"
        )
    async with office.session() as session:
        slug = (await session.get_one(Tenant, office.tenant_id)).slug
    assert f"{slug}/slack" in [finding.which for finding in await doctor.examine(settings)]

    async with browser(settings) as visitor:
        page = await visitor.get("/status")

    assert rows(page)["Database"] == "Working"
    for word in (slug, "office-", "Acme", "Ada", office.account, str(office.tenant_id), "revoked", "canary"):
        assert word not in page.text


async def test_people_who_load_the_page_at_once_have_the_parts_asked_once(nothing: Settings) -> None:
    gateway = FastAPI()
    asked = []

    @gateway.get("/health/live")
    async def live() -> None:
        asked.append("live")

    async with serve(gateway) as url:
        here = nothing.model_copy(update={"gateway_port": int(url.rpartition(":")[2])})
        async with browser(here) as visitor:
            pages = await asyncio.gather(*(visitor.get("/status") for _ in range(5)))
            assert [rows(page)["Gateway"] for page in pages] == ["Working"] * 5
            assert len(asked) == 1

            await visitor.get("/status")
            assert len(asked) == 2


async def test_the_web_ui_of_temporal_is_linked_where_it_is_known(nothing: Settings) -> None:
    async with browser(nothing) as visitor:
        assert "web UI" not in (await visitor.get("/status")).text
    with_ui = Settings(**(nothing.model_dump(exclude_unset=True) | {"temporal_ui_port": 8299}))
    async with browser(with_ui) as visitor:
        assert 'href="http://127.0.0.1:8299"' in (await visitor.get("/status")).text
