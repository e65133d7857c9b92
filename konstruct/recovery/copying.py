"""A backup: a folder with the database as it was at one moment, the files that people sent, the anchors of the audit
trail, and a manifest that says what all of it is. Never a key.
"""

import asyncio
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import asyncpg
from pydantic import SecretStr

from konstruct.errors import BadInput, Conflict, Misconfigured
from konstruct.recovery import programs
from konstruct.settings import Settings
from konstruct.vault import key_id

KIND: Final = "konstruct backup v1"
MANIFEST: Final = "manifest.json"
DATABASE: Final = "database.dump"
FILES: Final = "files.tar"
ANCHORS: Final = "anchors.ndjson"
COUNTED: Final = ("tenants", "conversations", "messages", "files", "audit_events", "audit_seals")

Report = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    of_moment: str
    """Whatever was committed before is in the database."""
    revision: str
    """Of the database's tables."""
    postgres: str
    keys: list[str]
    """What the deployment's keys are called, the newest first: without them nothing that is sealed can be opened."""
    counts: dict[str, int]
    files: int
    bucket: str | None
    """Where files are kept in a bucket, they are not in the backup."""
    parts: list[Part] = field(default_factory=list)
    kind: str = KIND


async def back_up(
    settings: Settings, owner_url: SecretStr, folder: Path, folders: Iterable[Path], report: Report
) -> Manifest:
    """``folders``: where PostgreSQL's programs may lie.

    Raises:
        Conflict: there is something in the folder already.
        Misconfigured: it cannot be made, or the database cannot be copied.
    """
    _made(folder)
    async with programs.connected(owner_url) as connection:
        tools = await programs.found(connection, owner_url, folders)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            of_moment: datetime = await connection.fetchval("select now()")
            snapshot = await connection.fetchval("select pg_export_snapshot()")
            counts = await _counts(connection)
            revision = await connection.fetchval("select version_num from alembic_version")
            report(f"The database, with {counts['messages']:,} messages of {counts['tenants']:,} businesses …")
            await tools.dump(snapshot, folder / DATABASE)
        postgres = await connection.fetchval("show server_version")
    # Later than the database, so that whatever it speaks of is there, unless it was let go of meanwhile.
    files = 0
    if settings.files_bucket is None:
        files = await asyncio.to_thread(_pack, settings.files_folder, folder / FILES)
        report(f"{files:,} files that people sent …")
    else:
        report(f"Files lie in the bucket {settings.files_bucket}: they are not copied. Have it keep versions.")
    if settings.anchor_file.exists():
        await asyncio.to_thread(shutil.copyfile, settings.anchor_file, folder / ANCHORS)
        report("The anchors of the audit trail …")
    names = [name for name in (DATABASE, FILES, ANCHORS) if (folder / name).exists()]
    manifest = Manifest(
        of_moment=of_moment.astimezone(UTC).isoformat(),
        revision=revision,
        postgres=postgres,
        keys=[key_id(key) for key in settings.encryption_keys],
        counts=counts,
        files=files,
        bucket=settings.files_bucket,
        parts=[await asyncio.to_thread(_part, folder, name) for name in names],
    )
    # Last: a backup that was cut off has none, and is none.
    _write(folder / MANIFEST, json.dumps(asdict(manifest), indent=2))
    return manifest


def read(folder: Path) -> Manifest:
    """Of a backup whose parts are as they were written. Blocks.

    Raises BadInput when it is none, or was changed since.
    """
    try:
        document = json.loads((folder / MANIFEST).read_text())
        parts = [Part(**part) for part in document.pop("parts")]
        manifest = Manifest(**document, parts=parts)
    except FileNotFoundError:
        raise BadInput(f"{folder} holds no backup, or one that was cut off: it has no {MANIFEST}.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{folder / MANIFEST} cannot be read ({type(error).__name__}).") from error
    if manifest.kind != KIND:
        raise BadInput(f"{folder} holds a backup of another kind: {manifest.kind}.")
    for part in manifest.parts:
        if part.name not in (DATABASE, FILES, ANCHORS) or not (folder / part.name).is_file():
            raise BadInput(f"{folder} lacks {part.name}.")
        if _part(folder, part.name) != part:
            raise BadInput(f"{folder / part.name} is not as it was written: it was changed, or is not whole.")
    return manifest


def _made(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Conflict(f"{folder} is not empty: name a folder of its own for each backup.")
    except OSError as error:
        raise Misconfigured(f"{folder} cannot be used ({error.strerror}).") from error


async def _counts(connection: asyncpg.Connection) -> dict[str, int]:
    return {table: await connection.fetchval(f"select count(*) from {table}") for table in COUNTED}  # noqa: S608


def _pack(source: Path, target: Path) -> int:
    count = 0
    with _private(target) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for path in sorted(source.rglob("*")) if source.exists() else ():
            try:
                if path.is_file():
                    archive.add(path, path.relative_to(source), recursive=False)
                    count += 1
            except FileNotFoundError:
                # It was let go of since it was listed.
                continue
    return count


def unpack(archive_file: Path, target: Path) -> int:
    """What is there already stays as it is. Blocks; how many were put there."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    count = 0
    with tarfile.open(archive_file) as archive:
        for member in archive:
            if member.isfile() and not (target / member.name).exists():
                archive.extract(member, target, filter="data")
                count += 1
    return count


def _part(folder: Path, name: str) -> Part:
    path = folder / name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Part(name, path.stat().st_size, digest)


def _private(path: Path) -> BinaryIO:
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600))


def _write(path: Path, text: str) -> None:
    with _private(path) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def missing_keys(manifest: Manifest, settings: Settings) -> Sequence[str]:
    """What the backup was sealed with, and is not configured."""
    there = {key_id(key) for key in settings.encryption_keys}
    return [key for key in manifest.keys if key not in there]
