"""PostgreSQL's own programs that copy a database, of a version that fits its server."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import asyncpg
from pydantic import SecretStr
from sqlalchemy import URL, make_url

from konstruct.errors import Misconfigured, Unavailable

T = TypeVar("T")

_CHUNK: Final = 1 << 18
_TOLD_LINES: Final = 5
_BY_QUERY: Final = {"host": "PGHOST", "sslmode": "PGSSLMODE", "ssl": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}


@dataclass(frozen=True)
class Programs:
    folder: Path
    environment: Mapping[str, str]
    """Where the database is, and the password, which is for no list of processes."""

    async def dump(self, snapshot: str, to: Path) -> None:
        """What the exported snapshot sees. Raises Unavailable with the end of what was complained of."""
        arguments = ("--format=custom", f"--snapshot={snapshot}", "--no-password", f"--file={to}")
        process = await self._started("pg_dump", *arguments, stdin=asyncio.subprocess.DEVNULL)
        _, complaint = await process.communicate()
        _check("pg_dump", process, complaint)

    async def load(self, dump: Path, before: str, after: str) -> None:
        """All of it in one transaction, with the statements before and after it: it is done whole or not at all.

        Raises Unavailable as ``dump`` does.
        """
        reading = await self._started("pg_restore", "--file=-", str(dump), stdin=asyncio.subprocess.DEVNULL)
        writing = await self._started(
            *("psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"), stdin=asyncio.subprocess.PIPE
        )
        try:
            # What the database refused says more than that the script could not be passed on.
            told, passed = await asyncio.gather(
                _drained(writing), _pass_on(reading, writing, before, after), return_exceptions=True
            )
            for failure in (told, passed):
                if failure is not None:
                    raise failure
        finally:
            for process in (reading, writing):
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    async def _started(self, program: str, *arguments: str, stdin: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(str(self.folder / program), *arguments),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", ""), **self.environment},
        )


async def _pass_on(
    reading: asyncio.subprocess.Process, writing: asyncio.subprocess.Process, before: str, after: str
) -> None:
    script, to = _there(reading.stdout), _there(writing.stdin)
    complaining = asyncio.create_task(_there(reading.stderr).read())
    try:
        to.write(f"begin;\n{before}\n".encode())
        while chunk := await script.read(_CHUNK):
            to.write(chunk)
            await to.drain()
        await reading.wait()
        _check("pg_restore", reading, await complaining)
        # Only now: without it the end of the input leaves nothing behind.
        to.write(f"{after}\ncommit;\n".encode())
        await to.drain()
    except (BrokenPipeError, ConnectionResetError):
        # It says itself what it stopped at.
        return
    finally:
        complaining.cancel()
        to.close()


async def _drained(writing: asyncio.subprocess.Process) -> None:
    _, complaint = await asyncio.gather(_there(writing.stdout).read(), _there(writing.stderr).read())
    await writing.wait()
    _check("psql", writing, complaint)


def _there(stream: T | None) -> T:
    if stream is None:
        raise RuntimeError("A program was started without its pipes.")
    return stream


def _check(program: str, process: asyncio.subprocess.Process, complaint: bytes) -> None:
    if process.returncode != 0:
        lines = complaint.decode(errors="replace").strip().splitlines()[-_TOLD_LINES:]
        raise Unavailable(f"{program} failed: {' '.join(lines) or process.returncode}")


@asynccontextmanager
async def connected(url: SecretStr, *, needs_all_rows: bool = True) -> AsyncIterator[asyncpg.Connection]:
    """Outside of the product's own sessions.

    Raises Misconfigured when it cannot be reached, or row security would hide rows from a copy of it.
    """
    parsed = make_url(url.get_secret_value()).set(drivername="postgresql")
    if (ssl := parsed.query.get("ssl")) is not None:
        # As the product's own sessions have it; the driver by itself goes by the name that PostgreSQL's programs do.
        parsed = parsed.difference_update_query(["ssl"]).update_query_dict({"sslmode": ssl})
    try:
        connection = await asyncpg.connect(parsed.render_as_string(hide_password=False), timeout=10)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise Misconfigured(f"The database cannot be reached ({type(error).__name__}).") from error
    try:
        is_free = "select rolsuper or rolbypassrls from pg_roles where rolname = current_user"
        if needs_all_rows and not await connection.fetchval(is_free):
            raise Misconfigured(
                "KONSTRUCT_DATABASE_OWNER_URL must be the login of a superuser, or of a role with BYPASSRLS: of any"
                " other, row security would hide what is to be copied. Where nobody has one, back up with the means of"
                " whoever runs the database, and see docs/recovery.md."
            )
        yield connection
    finally:
        await connection.close()


async def found(connection: asyncpg.Connection, url: SecretStr, folders: Iterable[Path]) -> Programs:
    """Of the server's own major version if there is one, else newer. Raises Misconfigured when there is none."""
    server = int(await connection.fetchval("show server_version_num")) // 10_000
    known = {folder: version for folder in folders if (version := await _version(folder)) is not None}
    fitting = sorted((version, folder) for folder, version in known.items() if version >= server)
    if not fitting:
        there = f"here is {max(known.values())}" if known else "there are none here"
        raise Misconfigured(f"pg_dump, pg_restore and psql of PostgreSQL {server} are needed, and {there}.")
    return Programs(fitting[0][1], _environment(make_url(url.get_secret_value())))


async def _version(folder: Path) -> int | None:
    if not all((folder / program).exists() for program in ("pg_dump", "pg_restore", "psql")):
        return None
    process = await asyncio.create_subprocess_exec(
        *(str(folder / "pg_dump"), "--version"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    told, _ = await process.communicate()
    version = re.search(rb"\) (\d+)", told)
    return int(version[1]) if version else None


def on_path() -> Sequence[Path]:
    return [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]


def _environment(url: URL) -> dict[str, str]:
    query = {name: str(value) for name, value in url.query.items() if isinstance(value, str)}
    said = {
        "PGHOST": url.host,
        "PGPORT": str(url.port) if url.port else None,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        **{variable: query.get(name) for name, variable in _BY_QUERY.items() if name in query},
    }
    return {variable: value for variable, value in said.items() if value}
