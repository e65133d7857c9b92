"""The only doors to the database, ``tenant_session``, ``account_session`` and ``system_session``; and the migrations.

Every transaction of a session carries its tenant, or its person, for Postgres's row security to see. Nothing else may
set them.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from importlib import resources
from typing import Any
from uuid import UUID

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import ColumnElement, Connection, Uuid, any_, event, literal, make_url, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Mapped, Session, SessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolProxiedConnection

from konstruct.errors import BadInput, Deadlocked, Misconfigured, Unavailable

APP_ROLE = "konstruct_app"
# Postgres's classes of errors that say nothing of the statement: connection, resources, shutdown, crash.
_PASSING = ("08", "53", "57", "58", "40")
# A server that lets nothing be written: for as long as its disk is full, or another one takes over.
_READ_ONLY = "25006"
# Of numbers and moments that are too large for their column; the driver says so of parameters by the first.
_OUT_OF_RANGE = ("22000", "22003", "22008")
_TOO_SLOW = "57014"
_DEADLOCKED = "40P01"
# Of texts that hold what no text of Postgres can, which is NUL: as they are, and within JSON.
_NO_TEXT = ("22021", "22P05")

# A host that vanishes says nothing. Without these, who waits for it waits for a quarter of an hour, or for ever, and
# what its transaction locked stays locked for two hours. With them both ends know within half a minute.
_SILENCE: dict[str, int] = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 15_000}
_SILENCE_FOR_THE_SERVER = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}

# Something between the two may take all that it is sent and say nothing. Whoever is answered by Postgres itself has its
# answer, or that it took too long, before these are over.
_LONGEST_STATEMENT = timedelta(minutes=5)
_LATEST_ANSWER = timedelta(seconds=5)
_LONGEST_FAREWELL = timedelta(seconds=5)

_LAST_STATEMENTS = "last statements"
_AFTERWARDS = "afterwards"

# Whoever waits for a table makes all wait who come after, those who only read it, too. So a migration waits briefly,
# lets go of all that it has, and tries again.
LONGEST_LOCK_WAIT = timedelta(seconds=4)
_PAUSE_BETWEEN_TRIES = timedelta(seconds=1)
_LOCKED = "55P03"
# Any number will do that nobody else takes in this database.
_ALONE = text("select pg_advisory_xact_lock(4716030051)")
_ALONE_IN_SESSION = text("select pg_advisory_lock(4716030051)")
_WHAT_IT_MAY = text(
    "select rolname as name, rolsuper or rolcreaterole as makes_roles, exists ("
    "  select from pg_roles o where o.rolname = 'konstruct_owner' and pg_has_role(o.oid, 'MEMBER')) as is_owner"
    " from pg_roles where rolname = current_user"
)


class _ScopedSession(Session):
    """A session whose every transaction is of one tenant, one person, both or none."""


class _ScopedConnection(asyncpg.Connection):  # type: ignore[misc]  # The driver has no types.
    """Says whose a transaction is in the round trip that begins it: a message from a contact takes a dozen of them.

    Where this is not called, as by a driver that begins in another way, the transaction is nobody's and sees no rows.
    """

    enter: str | None = None
    """What the transaction that is begun next, and no other, begins with."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        if self.enter is not None and query.startswith("BEGIN"):
            query, self.enter = query + self.enter, None
        status: str = await super().execute(query, *args, timeout=timeout)
        return status


@event.listens_for(_ScopedSession, "after_begin")
def _enter(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    """Before the driver begins, which it does with the first statement."""
    if not transaction.nested:
        driver: Any = connection.connection.driver_connection
        driver.enter = _entering(session.info["tenant"], session.info["person"])


def _entering(tenant_id: UUID | None, user_id: UUID | None) -> str:
    """It goes to Postgres as it is, so it is made of digits alone."""
    tenant, person = (each.hex if each is not None else "" for each in (tenant_id, user_id))
    return f"select set_config('app.tenant_id', '{tenant}', true), set_config('app.user_id', '{person}', true)"


def _notice_silence(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    """Has the kernel end a connection whose other end has vanished. The driver has no setting for it."""
    driver: asyncpg.Connection = record.driver_connection
    own = driver._transport.get_extra_info("socket")
    if own.family == socket.AF_UNIX:
        return
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SILENCE.items():
        # Not every system knows all of them.
        if (option := getattr(socket, name, None)) is not None:
            own.setsockopt(socket.IPPROTO_TCP, option, value)


def _refuse_closed(connection: DBAPIConnection, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    """Has the pool connect anew after a restart of Postgres. A ping would do that too, in three round trips."""
    driver: asyncpg.Connection = record.driver_connection
    if driver.is_closed():
        raise InvalidatePoolError


def _be_nobodys(connection: DBAPIConnection, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    """Who had it before may have begun nothing after all."""
    driver: Any = record.driver_connection
    driver.enter = None


def _leave_silence(context: ExceptionContext) -> None:
    """Gives a connection up that says nothing, and with it all that were made before: else each would be waited for in
    turn, and this one once more, for its word that the statement is cancelled."""
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True


class Database:
    def __init__(
        self,
        url: SecretStr,
        *,
        pool_size: int = 30,
        longest_wait: timedelta = timedelta(seconds=5),
        longest_statement: timedelta = _LONGEST_STATEMENT,
    ) -> None:
        """``longest_wait``: for a connection, when all of the pool are in use. ``longest_statement``: Postgres ends one
        that takes longer, and a Postgres that does not say so by then is away."""
        parsed = make_url(url.get_secret_value()).set(drivername="postgresql+asyncpg")
        options = {
            "application_name": "konstruct",
            "jit": "off",
            "statement_timeout": str(int(longest_statement.total_seconds() * 1_000)),
            **_SILENCE_FOR_THE_SERVER,
        }
        if parsed.username != APP_ROLE:
            # One login may serve both migrations and product; the product then steps down to its own role.
            options["role"] = APP_ROLE
        self._engine: AsyncEngine = create_async_engine(
            parsed,
            pool_size=pool_size,
            # Lent out last in, first out: the busiest connections have their statements prepared and their caches warm.
            pool_use_lifo=True,
            max_overflow=0,
            pool_timeout=longest_wait.total_seconds(),
            # What people said must not come into logs by way of an error's text.
            hide_parameters=True,
            connect_args={
                "connection_class": _ScopedConnection,
                "server_settings": options,
                "timeout": 5,
                "command_timeout": (longest_statement + _LATEST_ANSWER).total_seconds(),
            },
        )
        event.listen(self._engine.sync_engine, "connect", _notice_silence)
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        event.listen(self._engine.sync_engine, "checkout", _be_nobodys)
        event.listen(self._engine.sync_engine, "handle_error", _leave_silence)

    @asynccontextmanager
    async def tenant_session(self, tenant_id: UUID, *, snapshot: bool = False) -> AsyncIterator[AsyncSession]:
        """One transaction of one tenant; committed at the end, rolled back on an exception.

        ``snapshot``: all that it reads is of one moment.

        Raises:
            Unavailable: Postgres cannot be reached, is going down, or lets nothing be written.
            Deadlocked: it waited for a transaction that waited for it.
            BadInput: a text was to be written, or looked for, that holds NUL; or a number that is too large.
        """
        async with self._session(tenant_id) as session:
            if snapshot:
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @asynccontextmanager
    async def account_session(self, user_id: UUID, *, tenant_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
        """One transaction of one person, who sees what is theirs alone.

        ``tenant_id``: of that tenant too, for what concerns both, such as joining it.
        """
        async with self._session(tenant_id, user_id) as session:
            yield session

    @asynccontextmanager
    async def system_session(self) -> AsyncIterator[AsyncSession]:
        """One transaction of no tenant and no person: it sees no rows and can only call the look-up functions."""
        async with self._session() as session:
            yield session

    @asynccontextmanager
    async def _session(self, tenant_id: UUID | None = None, user_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
        session = AsyncSession(self._engine, sync_session_class=_ScopedSession, expire_on_commit=False)
        session.info["tenant"], session.info["person"] = tenant_id, user_id
        try:
            async with session, session.begin():
                yield session
                for statement in session.info.get(_LAST_STATEMENTS, ()):
                    await statement(session)
            for count in session.info.get(_AFTERWARDS, ()):
                count()
        except DBAPIError as error:
            state = str(getattr(error.orig, "sqlstate", "") or "")
            if state == _TOO_SLOW:
                raise Unavailable("This took the database too long. Ask for less, such as fewer days.") from error
            if state == _DEADLOCKED:
                raise Deadlocked("Others changed the same at the same time: try again.") from error
            if error.connection_invalidated or state[:2] in _PASSING or state == _READ_ONLY:
                raise Unavailable("The database does not answer.") from error
            if state in _NO_TEXT:
                raise BadInput("It holds a character that cannot be kept, and cannot be seen: type it anew.") from error
            if state in _OUT_OF_RANGE:
                raise BadInput("It holds a number or a day that is too large to be kept, or looked for.") from error
            raise
        except (
            OSError,
            TimeoutError,
            PoolTimeoutError,
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
        ) as error:
            raise Unavailable("The database does not answer.") from error

    async def close(self) -> None:
        # Connections are told good-bye one after the other, and each that says nothing would be waited for.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_FAREWELL.total_seconds()):
                await self._engine.dispose()


def among(column: Mapped[UUID] | Mapped[UUID | None], ids: Collection[UUID]) -> ColumnElement[bool]:
    """That it is one of these, of which there may be more than the 32,767 parameters that a statement can have."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))


def before_commit(
    session: AsyncSession, statement: Callable[[AsyncSession], Awaitable[None]], *, is_first: bool = False
) -> None:
    """Has it run when all else in this transaction is done, just before the commit; after an exception it does not.

    ``is_first``: ahead of what was to be run then, and not behind it.
    """
    last: list[Callable[[AsyncSession], Awaitable[None]]] = session.info.setdefault(_LAST_STATEMENTS, [])
    last.insert(0 if is_first else len(last), statement)


def after_commit(session: AsyncSession, count: Callable[[], None]) -> None:
    """Has it run once the transaction is committed, and not at all when it is not. It must not raise."""
    session.info.setdefault(_AFTERWARDS, []).append(count)


async def migrate(owner_url: SecretStr, *, to: str = "head", patience: timedelta = timedelta(minutes=2)) -> None:
    """Makes roles and tables, up to the newest version or an older one. Running it again changes nothing.

    Each version is a transaction of its own: what is cut off goes on from the last one that was finished. Of several
    that run at once, one does it and the others find it done. ``patience``: for locks that others hold, all together.

    Raises:
        Misconfigured: the database cannot be reached, or the login may not do what is needed.
        Unavailable: others held for too long what was to be changed.
    """
    url = make_url(owner_url.get_secret_value()).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=NullPool)
    give_up = asyncio.get_running_loop().time() + patience.total_seconds()
    try:
        async with engine.begin() as connection:
            await _make_roles(connection)
        while not await _reach(engine, to):
            if asyncio.get_running_loop().time() > give_up:
                raise Unavailable(
                    "Others held for too long what a migration has to change. What was finished is kept: run"
                    " `konstruct migrate` again, best when less is going on."
                )
            await asyncio.sleep(_PAUSE_BETWEEN_TRIES.total_seconds())
    except (OSError, DBAPIError, asyncpg.PostgresError) as error:
        reason = str(error).partition("\n")[0]
        raise Misconfigured(f"The database could not be brought up to date: {reason}") from error
    finally:
        await engine.dispose()


async def _make_roles(connection: AsyncConnection) -> None:
    await connection.execute(_ALONE)
    login = (await connection.execute(_WHAT_IT_MAY)).one()
    if login.makes_roles:
        raw = await connection.get_raw_connection()
        # Only the driver's own connection runs a script of several statements.
        driver: asyncpg.Connection = raw.driver_connection
        await driver.execute(resources.files("konstruct.migrations").joinpath("roles.sql").read_text())
    elif not login.is_owner:
        raise Misconfigured(
            f"{login.name} may make no roles, and is no member of konstruct_owner. Have an administrator run"
            f' konstruct/migrations/roles.sql in this database, and then: grant konstruct_owner to "{login.name}"'
        )


async def _reach(engine: AsyncEngine, revision: str) -> bool:
    """Whether it was done; it was not where somebody held a lock for longer than others may be kept waiting."""
    async with engine.connect() as connection:
        await connection.execute(_ALONE_IN_SESSION)
        await connection.execute(text("set role konstruct_owner"))
        # Under forced row security an owner's change of data would silently touch no row; this makes it an error.
        await connection.execute(text("set row_security = off"))
        # It would hold for look-ups, too, whose bodies are tried out when they are made; their own owner passes it.
        await connection.execute(text("set check_function_bodies = off"))
        await connection.execute(text(f"set lock_timeout = {int(LONGEST_LOCK_WAIT.total_seconds() * 1_000)}"))
        await connection.commit()
        try:
            await connection.run_sync(_upgrade, revision)
        except (DBAPIError, asyncpg.LockNotAvailableError) as error:
            if getattr(getattr(error, "orig", error), "sqlstate", None) != _LOCKED:
                raise
            return False
    return True


def revisions() -> set[str]:
    """All versions of the tables that this release knows."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _upgrade(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "konstruct:migrations")
    return config
