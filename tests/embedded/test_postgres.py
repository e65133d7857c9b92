import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from konstruct.embedded import postgres
from konstruct.embedded.postgres import Postgres
from konstruct.embedded.process import launch
from konstruct.embedded.supervisor import Supervisor
from konstruct.errors import Misconfigured
from tests.embedded.conftest import Sentences

pytestmark = pytest.mark.stack


@asynccontextmanager
async def connected(server: Postgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.owner_url)
    try:
        yield connection
    finally:
        await connection.close()


async def started(data_dir: Path, supervisor: Supervisor) -> Postgres:
    server = await postgres.prepared(data_dir)
    await supervisor.start(server.program)
    await server.create_database()
    return server


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


async def remember(server: Postgres, word: str) -> None:
    async with connected(server) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        await connection.execute("INSERT INTO words VALUES ($1)", word)


async def remembered(server: Postgres) -> list[str]:
    async with connected(server) as connection:
        return [row["word"] for row in await connection.fetch("SELECT word FROM words")]


async def test_it_starts_on_an_empty_folder_as_the_product_needs_it(data_dir: Path, supervisor: Supervisor) -> None:
    server = await started(data_dir, supervisor)

    async with connected(server) as connection:
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW timezone") == "UTC"
        assert await connection.fetchval("SHOW listen_addresses") == ""
        assert await connection.fetchval("SHOW max_connections") == "200"
        assert await connection.fetchval("SELECT lower('ÄÖ')") == "äö"
        assert await connection.fetchval("SELECT current_database()") == "konstruct"
        await connection.execute("CREATE EXTENSION vector")
    assert server.app_url == server.owner_url.replace("postgres@", "konstruct_app@")


async def test_its_data_is_there_after_a_restart(data_dir: Path, sentences: Sentences) -> None:
    async with Supervisor(sentences) as first:
        await remember(await started(data_dir, first), "kept")

    async with Supervisor(sentences) as second:
        assert await remembered(await started(data_dir, second)) == ["kept"]


async def test_a_killed_postmaster_is_replaced_and_loses_nothing(
    data_dir: Path, supervisor: Supervisor, sentences: Sentences
) -> None:
    server = await started(data_dir, supervisor)
    await remember(server, "committed")

    os.kill(postmaster(data_dir), signal.SIGKILL)
    await sentences.heard("Postgres is ready again")

    assert await remembered(server) == ["committed"]


async def test_a_postmaster_of_an_earlier_run_is_ended_first(data_dir: Path, supervisor: Supervisor) -> None:
    earlier = await postgres.prepared(data_dir)
    orphan = await launch(earlier.program)

    try:
        await started(data_dir, supervisor)
        assert orphan.process.returncode == 0
    finally:
        await orphan.stop()


async def test_a_stranger_with_the_dead_postmasters_number_is_left_alone(
    data_dir: Path, supervisor: Supervisor, sentences: Sentences
) -> None:
    async with Supervisor(sentences) as first:
        await started(data_dir, first)
    stranger = await asyncio.create_subprocess_exec("sleep", "600")
    (data_dir / "postgres" / "data" / "postmaster.pid").write_text(f"{stranger.pid}\n")

    await started(data_dir, supervisor)

    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()


async def test_a_half_made_folder_is_made_again(data_dir: Path, supervisor: Supervisor) -> None:
    unfinished = data_dir / "postgres" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    await started(data_dir, supervisor)

    assert not unfinished.exists()


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"PG_VERSION": "17\n"}, "was written by Postgres 17, and this is Postgres 18"),
        ({"letter.txt": "Dear Ada"}, "is not a folder of Postgres"),
    ],
)
async def test_a_folder_that_it_cannot_use_is_a_clear_sentence(
    files: dict[str, str], sentence: str, data_dir: Path
) -> None:
    folder = data_dir / "postgres" / "data"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)

    with pytest.raises(Misconfigured, match=sentence):
        await postgres.prepared(data_dir)


async def test_a_long_path_gets_a_short_private_folder_for_its_socket(data_dir: Path, supervisor: Supervisor) -> None:
    deep = data_dir / ("a long name " * 8)
    deep.mkdir()

    server = await started(deep, supervisor)

    await remember(server, "reached")
    assert deep not in server.sockets.parents
    assert server.sockets.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(server.sockets)


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root has to borrow an account.")
async def test_without_unshare_root_borrows_the_account_nobody(
    data_dir: Path, sentences: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Supervisor(sentences) as in_a_namespace:
        await remember(await started(data_dir, in_a_namespace), "namespace")
    programs = data_dir.parent / "bin"
    programs.mkdir()
    for name in ("setpriv", "sh", "test"):
        (programs / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(programs))

    async with Supervisor(sentences) as as_nobody:
        server = await started(data_dir, as_nobody)
        await remember(server, "nobody")
        owner = os.stat(f"/proc/{postmaster(data_dir)}").st_uid

    monkeypatch.undo()
    async with Supervisor(sentences) as in_a_namespace:
        assert await remembered(await started(data_dir, in_a_namespace)) == ["namespace", "nobody"]
    assert owner != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root has to borrow an account.")
async def test_root_that_can_borrow_no_account_is_told_what_to_do(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Misconfigured, match="run Konstruct as an ordinary user, or set KONSTRUCT_DATABASE_URL"):
        await postgres.prepared(data_dir)
