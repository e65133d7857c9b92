import json
import os
import signal
import socket
import sys
from pathlib import Path

import asyncpg
import httpx
import pytest
import redis.asyncio

from konstruct.embedded.account import postgres_account
from konstruct.embedded.stack import running_stack
from konstruct.errors import Conflict, Misconfigured
from konstruct.settings import Settings
from tests.embedded.conftest import Sentences, StartStack
from tests.support.processes import ended

pytestmark = pytest.mark.stack

PROGRAMS = {"postgres", "valkey-server", "temporal", "python"}


async def test_everything_that_is_unset_runs_and_its_addresses_are_left_for_others(
    settings: Settings, sentences: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack_file = settings.data_dir / "stack.json"
    monkeypatch.setenv("KONSTRUCT_DATA_DIR", str(settings.data_dir))

    async with running_stack(settings, sentences) as stack:
        seen_elsewhere = Settings()
        assert stack_file.stat().st_mode & 0o777 == 0o600

        for seen in (stack.settings, seen_elsewhere):
            assert seen.database_owner_url is not None
            assert seen.redis_url is not None
            connection = await asyncpg.connect(seen.database_owner_url.get_secret_value())
            await connection.close()
            async with redis.asyncio.from_url(seen.redis_url.get_secret_value()) as client:
                assert await client.ping()
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"{seen.local_model_base_url}/models")).is_success
                assert (await client.get(f"http://127.0.0.1:{seen.temporal_ui_port}/")).is_success
        assert seen_elsewhere.encryption_keys == stack.settings.encryption_keys
        assert seen_elsewhere.gateway_port == settings.gateway_port
        assert seen_elsewhere.portal_port == settings.portal_port

    assert not stack_file.exists()
    assert sorted(sentence.partition(" is ready")[0] for sentence in sentences) == [
        "Postgres",
        "Temporal",
        "The local model",
        "Valkey",
    ]


async def test_what_is_set_is_not_started(settings: Settings, sentences: Sentences) -> None:
    elsewhere = {
        "database_url": "postgresql://konstruct_app@database.example/konstruct",
        "redis_url": "redis://cache.example:6379/0",
        "temporal_address": "temporal.example:7233",
        "local_model_base_url": "http://model.example/v1",
        "encryption_keys": "first,second",
    }
    outer = Settings(**(settings.model_dump() | elsewhere))

    async with running_stack(outer, sentences) as stack:
        # Without a mail server, mails are shown.
        assert stack.settings == outer.model_copy(update={"dev_mail": True})
        assert json.loads((settings.data_dir / "stack.json").read_text()) == {
            "dev_mail": True,
            "gateway_port": outer.gateway_port,
            "portal_port": outer.portal_port,
        }

    assert sentences == []


async def test_a_command_of_the_product_is_kept_running(settings: Settings, sentences: Sentences) -> None:
    outer = Settings(
        **settings.model_dump()
        | dict.fromkeys(("database_url", "redis_url", "temporal_address", "local_model_base_url"), "elsewhere")
    )

    async with running_stack(outer, sentences) as stack:
        await stack.run("Some nonsense", "no-such-command")
        await sentences.heard("Some nonsense ended (exit code")
        assert (settings.data_dir / "logs" / "some-nonsense.log").exists()


@pytest.mark.parametrize("name", ["gateway_port", "portal_port"])
async def test_a_taken_port_is_noticed_before_anything_starts(
    settings: Settings, sentences: Sentences, name: str
) -> None:
    port = settings.model_dump()[name]
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(Misconfigured, match=f"Port {port} .*KONSTRUCT_{name.upper()}"),
    ):
        async with running_stack(settings, sentences):
            pass

    assert sentences == []
    assert [path.name for path in settings.data_dir.iterdir()] == ["lock"]


async def test_a_part_that_cannot_start_is_a_sentence_and_leaves_nothing_running(
    settings: Settings, start_stack: StartStack
) -> None:
    # A folder where Temporal wants a file.
    (settings.data_dir / "temporal" / "temporal.sqlite").mkdir(parents=True)

    stack = await start_stack()

    assert not await stack.is_up()
    assert await stack.process.wait() == 1
    assert any("Temporal did not start" in sentence for sentence in stack.said)


async def test_a_folder_that_somebody_else_has_filled_is_a_sentence(
    settings: Settings, start_stack: StartStack
) -> None:
    # A file where Temporal wants its folder stands for everything that the file system can refuse.
    (settings.data_dir / "temporal").touch()

    stack = await start_stack()

    assert not await stack.is_up()
    assert stack.said[-1].startswith(f"{settings.data_dir}/temporal cannot be used (File exists)")


async def test_nothing_outlives_a_killed_supervisor_and_the_next_start_recovers(
    settings: Settings, start_stack: StartStack
) -> None:
    killed = await start_stack()
    assert await killed.is_up(), killed.said
    children = killed.children()
    assert set(children) == PROGRAMS

    killed.process.kill()
    for child in children.values():
        await ended(child)

    assert (settings.data_dir / "stack.json").exists()
    next_one = await start_stack()
    assert await next_one.is_up(), next_one.said
    assert set(next_one.children()) == PROGRAMS


async def test_a_second_stack_on_the_same_folder_says_who_is_there(
    settings: Settings, sentences: Sentences, start_stack: StartStack
) -> None:
    first = await start_stack()
    assert await first.is_up(), first.said

    with pytest.raises(Conflict, match=rf"already runs on {settings.data_dir} \(process {first.process.pid}\)"):
        async with running_stack(settings, sentences):
            pass


async def test_every_part_that_is_killed_comes_back(settings: Settings, start_stack: StartStack) -> None:
    stack = await start_stack()
    assert await stack.is_up(), stack.said

    for child in stack.children().values():
        os.kill(child, signal.SIGKILL)
    assert stack.process.stdout is not None
    waited_for = {"Postgres", "Valkey", "Temporal", "The local model"}
    async for line in stack.process.stdout:
        name, is_back, _ = line.decode().partition(" is ready again")
        if is_back:
            waited_for.discard(name)
        if not waited_for:
            break

    assert set(stack.children()) == PROGRAMS


async def test_an_ordinary_user_can_run_it(settings: Settings, start_stack: StartStack, data_dir: Path) -> None:
    # For root this is the account that Postgres borrows; for anybody else it is their own.
    account = await postgres_account(Path(sys.executable), data_dir)

    stack = await start_stack(*(account.leash or ()))

    assert await stack.is_up(), stack.said
    assert set(stack.children()) == PROGRAMS
