"""A backup is put back: the database whole or not at all, and marked as being of an earlier moment in the same step."""

import asyncio
import shutil
from collections.abc import Iterable
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Final

import asyncpg
from pydantic import SecretStr

from konstruct import db
from konstruct.errors import BadInput, Conflict, Misconfigured
from konstruct.identity import new_id
from konstruct.recovery import copying, programs
from konstruct.recovery.copying import ANCHORS, DATABASE, FILES, Manifest, Report
from konstruct.settings import Settings

_EMPTIED: Final = (
    "drop schema public cascade; create schema public authorization pg_database_owner;"
    " grant usage on schema public to public;"
)
_AT_WORK: Final = (
    "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'konstruct'"
)


async def put_back(
    settings: Settings,
    owner_url: SecretStr,
    folder: Path,
    folders: Iterable[Path],
    report: Report,
    *,
    replaces: bool = False,
) -> Manifest:
    """Into an empty database, or in the place of what is there (``replaces``). What is under way in it is not settled
    by that: see ``fencing``.

    Raises:
        BadInput: it is no backup, or was changed since, or is of a newer release.
        Conflict: the database is not empty, or in use.
        Misconfigured: keys or programs are lacking.
    """
    manifest = await asyncio.to_thread(copying.read, folder)
    _require_keys(manifest, settings)
    if manifest.revision not in db.revisions():
        raise BadInput(
            f"The backup is of a newer release (its tables are at {manifest.revision}): restore it with that."
        )
    async with programs.connected(owner_url) as connection:
        tools = await programs.found(connection, owner_url, folders)
        await require_nobody_at_work(connection)
        is_empty = not await connection.fetchval("select exists (select from pg_tables where schemaname = 'public')")
        if not is_empty and not replaces:
            raise Conflict("There is something in the database already. With --replace it is given up for the backup.")
    report(f"The database as it was at {manifest.of_moment}, with {manifest.counts['messages']:,} messages …")
    roles = resources.files("konstruct.migrations").joinpath("roles.sql").read_text()
    before = f"{_EMPTIED if replaces else ''}\n{roles}"
    await tools.load(folder / DATABASE, before, _marked(manifest))
    await db.migrate(owner_url)
    await asyncio.to_thread(_put_files_back, settings, folder, report)
    return manifest


async def require_nobody_at_work(connection: asyncpg.Connection) -> None:
    """Raises Conflict while processes of the product are connected."""
    if at_work := await connection.fetchval(_AT_WORK):
        raise Conflict(
            f"The product is at work on this database ({at_work} connections): stop gateways, portals, workers first."
        )


def _require_keys(manifest: Manifest, settings: Settings) -> None:
    """Raises Misconfigured where what was sealed last could not be opened: nothing can make up for a key."""
    missing = copying.missing_keys(manifest, settings)
    if manifest.keys and manifest.keys[0] in missing:
        raise Misconfigured(
            f"The backup was sealed with the key {manifest.keys[0]}, which is not in KONSTRUCT_ENCRYPTION_KEYS. Backups"
            " hold no keys, and without this one tokens and what people said can never be opened. Put the key behind"
            " the newer ones, if there are any."
        )


def _marked(manifest: Manifest) -> str:
    # Both are of our own making: an id, and a moment that is read as one.
    of_moment = datetime.fromisoformat(manifest.of_moment).isoformat()
    return f"insert into public.restorations (id, of_moment) values ('{new_id()}', '{of_moment}');"  # noqa: S608


def _put_files_back(settings: Settings, folder: Path, report: Report) -> None:
    if (folder / FILES).exists():
        if settings.files_bucket is not None:
            report(f"The files stay in {folder / FILES}: here they are kept in the bucket {settings.files_bucket}.")
        else:
            report(f"{copying.unpack(folder / FILES, settings.files_folder):,} files that were not there …")
    if (folder / ANCHORS).exists() and not settings.anchor_file.exists():
        # Where there are some, they know what has happened since, and stay.
        settings.anchor_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(folder / ANCHORS, settings.anchor_file)
        settings.anchor_file.chmod(0o600)
        report("The anchors of the audit trail, as they were then …")
