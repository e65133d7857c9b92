"""`konstruct backup` and `konstruct restore`, as an operator runs them."""

import asyncio
import hashlib
import json
import secrets
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.recovery import restorations
from konstruct.vault import Vault, key_id
from tests.support.commands import CHECKOUT, Outcome, konstruct
from tests.support.databases import own_database
from tests.support.office import open_office
from tests.support.processes import environment

GUIDE = (CHECKOUT / "docs" / "recovery.md").read_text()
pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Site:
    """A deployment of which nothing runs but its servers."""

    env: dict[str, str]
    owner_url: str
    key: str
    folder: Path

    async def run(self, *arguments: str) -> Outcome:
        return await konstruct(*arguments, env=self.env)

    def with_keys(self, *keys: str) -> "Site":
        return replace(self, env=self.env | {"KONSTRUCT_ENCRYPTION_KEYS": ",".join(keys)})

    def open(self) -> Database:
        return Database(SecretStr(self.env["KONSTRUCT_DATABASE_URL"]))

    async def office(self) -> None:
        """One more."""
        database = self.open()
        try:
            await open_office(database, Vault((SecretStr(self.key),)))
        finally:
            await database.close()

    async def slugs(self) -> set[str]:
        connection = await asyncpg.connect(self.owner_url)
        try:
            return {row["slug"] for row in await connection.fetch("select slug from tenants")}
        finally:
            await connection.close()


@pytest.fixture
async def site(postgres: Postgres, temporal_address: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    key = Fernet.generate_key().decode()
    async with own_database(postgres, f"site_{secrets.token_hex(4)}") as own:
        # Whoever is connected is at work.
        await own.database.close()
        env = environment(
            tmp_path / "data",
            database_url=own.app_url,
            database_owner_url=own.owner_url,
            redis_url=redis_url,
            temporal_address=temporal_address,
            encryption_keys=key,
        )
        yield Site(env, own.owner_url, key, tmp_path / "backup")


async def test_a_backup_is_put_back_in_the_place_of_what_came_later(site: Site) -> None:
    await site.office()
    kept = site.folder.parent / "data" / "files" / "t" / "one"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"sealed")
    made = await site.run("backup", str(site.folder))
    assert made.status == 0, made
    assert f"It needs the key {key_id(SecretStr(site.key))}, which is not in it." in made.said
    assert {path.name for path in site.folder.iterdir()} == {"database.dump", "files.tar", "manifest.json"}
    assert stat.S_IMODE((site.folder / "manifest.json").stat().st_mode) == 0o600
    assert not any(site.key.encode() in path.read_bytes() for path in site.folder.iterdir())
    await site.office()
    kept.unlink()

    restored = await site.run("restore", str(site.folder), "--replace")

    assert restored.status == 0, restored
    assert len(await site.slugs()) == 1
    assert kept.read_bytes() == b"sealed"
    kept.unlink()
    # As the guide has it.
    unpacking = ("tar", "--extract", "--skip-old-files", f"--file={site.folder / 'files.tar'}")
    process = await asyncio.create_subprocess_exec(*unpacking, f"--directory={kept.parents[1]}")
    assert await process.wait() == 0
    assert kept.read_bytes() == b"sealed"
    assert "the database was restored at" in restored.said
    assert "Whole: " in restored.said
    verified = await site.run("audit", "verify")
    assert verified.status == 0
    assert "RESTORED  office-" in verified.said


async def test_what_is_there_is_given_up_only_when_told(site: Site) -> None:
    await site.office()
    assert (await site.run("backup", str(site.folder))).status == 0
    await site.office()
    refused = await site.run("restore", str(site.folder))
    assert refused.status == 1
    assert "With --replace it is given up for the backup." in refused.complained
    assert len(await site.slugs()) == 2


async def test_a_folder_holds_one_backup(site: Site) -> None:
    assert (await site.run("backup", str(site.folder))).status == 0
    again = await site.run("backup", str(site.folder))
    assert (again.status, "is not empty" in again.complained) == (1, True)


async def test_nothing_is_put_back_that_could_not_be_opened(site: Site) -> None:
    await site.office()
    assert (await site.run("backup", str(site.folder))).status == 0
    newer = Fernet.generate_key().decode()
    refused = await site.with_keys(newer).run("restore", str(site.folder), "--replace")
    assert refused.status == 1
    assert key_id(SecretStr(site.key)) in refused.complained
    rotated = site.with_keys(newer, site.key)
    restored = await rotated.run("restore", str(site.folder), "--replace")
    assert restored.status == 0, restored
    assert (await rotated.run("keys", "rotate")).status == 0
    # The anchors that were signed before need the older key; what is in the database does not.
    assert (await site.with_keys(newer).run("keys", "check")).status == 0


async def test_a_backup_that_was_changed_is_refused(site: Site) -> None:
    assert (await site.run("backup", str(site.folder))).status == 0
    dump = site.folder / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-1] + b"x")
    refused = await site.run("restore", str(site.folder), "--replace")
    assert (refused.status, "is not as it was written" in refused.complained) == (1, True)
    (site.folder / "manifest.json").unlink()
    refused = await site.run("restore", str(site.folder), "--replace")
    assert (refused.status, "or one that was cut off" in refused.complained) == (1, True)


async def test_a_database_is_put_back_whole_or_left_as_it_is(site: Site) -> None:
    await site.office()
    assert (await site.run("backup", str(site.folder))).status == 0
    dump, manifest = site.folder / "database.dump", site.folder / "manifest.json"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size * 3 // 4])
    document = json.loads(manifest.read_text())
    [part] = [part for part in document["parts"] if part["name"] == dump.name]
    with dump.open("rb") as file:
        part |= {"size": dump.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    manifest.write_text(json.dumps(document))
    await site.office()

    failed = await site.run("restore", str(site.folder), "--replace")

    assert failed.status == 1
    assert "failed" in failed.complained
    assert len(await site.slugs()) == 2


async def test_nothing_is_put_back_below_what_is_at_work(site: Site) -> None:
    assert (await site.run("backup", str(site.folder))).status == 0
    at_work = site.open()
    async with at_work.system_session() as session:
        await session.execute(text("select 1"))
        refused = await site.run("restore", str(site.folder), "--replace")
    await at_work.close()
    assert (refused.status, "stop gateways, portals, workers first" in refused.complained) == (1, True)


async def test_a_database_that_was_put_back_by_other_means_is_settled(site: Site) -> None:
    await site.office()
    nothing = await site.run("restore")
    assert (nothing.status, "Nothing is to be settled" in nothing.complained) == (1, True)
    settled = await site.run("restore", "--of", "2026-11-29T18:00:00Z")
    assert settled.status == 0, settled
    assert "what it was at 2026-11-29 18:00:00 UTC" in settled.said


async def test_a_worker_waits_until_it_is_settled(site: Site) -> None:
    database = site.open()
    await restorations.begin(database, datetime(2026, 11, 29, 18, tzinfo=UTC))
    await database.close()
    refused = await site.run("worker")
    assert (refused.status, "run `konstruct restore` to the end first" in refused.complained) == (1, True)
    assert (await site.run("restore")).status == 0


def test_the_guide_names_what_is_tried_here() -> None:
    for command in (
        "konstruct backup /var/backups/konstruct/2026-11-29",
        "konstruct restore /var/backups/konstruct/2026-11-29",
        "konstruct restore /var/backups/konstruct/2026-11-29 --replace",
        "konstruct restore --of 2026-11-29T18:00:00Z",
        "konstruct audit verify",
        "tar --extract --skip-old-files --file=",
        "konstruct keys check",
    ):
        assert command in GUIDE
