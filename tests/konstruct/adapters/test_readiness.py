"""The port of a process: what it shows, what it says of parts that are away, and to whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client

from konstruct import temporal
from konstruct.adapters.readiness import Check, Port, checks_of_worker, opened, starting
from konstruct.adapters.redis import connect
from konstruct.db import Database
from konstruct.embedded.loopback import free_port
from konstruct.errors import Misconfigured, Unavailable
from konstruct.settings import Settings
from tests.support.http import serve

PASSWORD = "canary-password"


async def ask(port: Port, path: str) -> httpx.Response:
    async with serve(port.app) as url, httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"{url}{path}")


async def is_there() -> bool:
    return True


async def raises() -> bool:
    raise Unavailable(f"redis://:{PASSWORD}@cache:6379 does not answer.")


async def hangs() -> bool:
    return await asyncio.Event().wait()


@pytest.mark.parametrize("check", [raises, starting, hangs], ids=["raises", "starting", "hangs"])
async def test_what_does_not_answer_is_named_and_nothing_more(check: Check) -> None:
    answer = await ask(Port({"database": is_there, "redis": check}), "/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"database": "ok", "redis": "away"}
    assert PASSWORD not in answer.text


async def test_a_process_whose_parts_answer_is_ready() -> None:
    answer = await ask(Port({"database": is_there}), "/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"database": "ok"})


async def test_it_lives_whatever_is_away() -> None:
    assert (await ask(Port({"database": raises}), "/health/live")).status_code == 200


async def test_metrics_are_brought_up_to_date_and_shown_with_what_is_counted_beside() -> None:
    looked = []

    async def look() -> None:
        looked.append(True)

    async def beside(scope: object, receive: object, send: Callable[[object], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"temporal_things_total 7\n"})

    async with serve(_without_lifespan(beside)) as url:
        answer = await ask(Port({}, before_metrics=look, beside=url), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "konstruct_build_info" in answer.text
    assert answer.text.endswith("temporal_things_total 7\n")
    assert looked == [True]
    # The other may be gone, and ours are shown all the same.
    assert "konstruct_build_info" in (await ask(Port({}, beside=url), "/metrics")).text


def _without_lifespan(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def http_alone(scope: dict[str, str], receive: object, send: object) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)

    return http_alone


@pytest.fixture
async def checks(database: Database, redis_url: str, temporal_client: Client) -> AsyncIterator[dict[str, Check]]:
    redis = connect(redis_url)
    yield checks_of_worker(database, redis, temporal_client, (temporal.CONVERSATIONS, temporal.UPKEEP))
    await redis.aclose()


async def test_a_worker_that_asks_for_no_work_is_not_ready(checks: dict[str, Check]) -> None:
    answer = await ask(Port(checks), "/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"database": "ok", "redis": "ok", "temporal": "ok", "worker": "away"}


async def test_a_worker_whose_temporal_is_away_is_not_ready(database: Database, redis_url: str) -> None:
    settings = Settings(temporal_address="127.0.0.1:1", encryption_keys=(SecretStr("x" * 43 + "="),))
    nowhere, redis = await temporal.connect(settings), connect(redis_url)
    answer = await ask(Port(checks_of_worker(database, redis, nowhere, (temporal.CONVERSATIONS,))), "/health/ready")
    await redis.aclose()
    assert answer.json() == {"database": "ok", "redis": "ok", "temporal": "away", "worker": "away"}


async def test_it_listens_where_the_settings_say_and_says_so_when_it_cannot() -> None:
    settings = Settings(metrics_port=free_port())
    async with opened(settings, Port({})), httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{settings.metrics_port}/metrics")).status_code == 200
        with pytest.raises(Misconfigured, match="KONSTRUCT_METRICS_PORT"):
            async with opened(settings, Port({})):
                pass


async def test_without_a_port_nothing_listens() -> None:
    async with opened(Settings(), Port({})):
        pass
