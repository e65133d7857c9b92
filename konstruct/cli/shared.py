"""What every command needs: settings with their errors told, a database for as long as it runs, and a way to end."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn
from uuid import UUID

import typer
from pydantic import ValidationError

from konstruct import tenants
from konstruct.db import Database
from konstruct.errors import KonstructError, NotFound
from konstruct.settings import Settings, needed


def read_settings() -> Settings:
    """Ends the program with status 2 when one of them cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"KONSTRUCT_{name}: {problem['msg']}", err=True)
        raise typer.Exit(2) from None


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"))
    try:
        yield database
    finally:
        await database.close()


async def tenant_called(database: Database, slug: str) -> UUID:
    """Raises NotFound when nobody is called so."""
    tenant_id = await tenants.find(database, slug)
    if tenant_id is None:
        raise NotFound(f"There is no tenant {slug!r}: make it with `konstruct apply`.")
    return tenant_id


def run(work: Coroutine[Any, Any, None], *, runner: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run) -> None:
    """Runs to the end; an error of ours is a sentence and exit code 1, never a stack trace."""
    try:
        runner(work)
    except KonstructError as error:
        typer.echo(str(error), err=True)
        _leave(1)
    except typer.Exit as leaving:
        _leave(leaving.exit_code)
    except KeyboardInterrupt:
        _leave(130)
    _leave(0)


def _leave(code: int) -> NoReturn:
    """Ends without the interpreter's clean-up, in which Temporal's threads can abort a finished process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
