"""A gateway that looks for what it is asked for among all tenants', and only then whose it is: to be told that there is
nothing takes longer where there is something."""

import asyncio
import os
import re
import sys
from typing import Any, Final

import asyncpg

from tests.faults.asgi import App, around_the_gateway
from tests.faults.wrapping import go_on
from tests.tenancy.test_every_route import TABLES

READS_FOR: Final = 0.03
"""Seconds that it is at what it has found."""
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_IS_THERE: Final = "select " + " or ".join(
    f"exists (select from {table} where id = any($1::uuid[]))" for table in sorted(set(TABLES.values()))
)


def looking(app: App) -> App:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if (ids := _ID.findall(scope.get("path", ""))) and await _are_there(ids):
            await asyncio.sleep(READS_FOR)
        await app(scope, receive, send)

    return serve


async def _are_there(ids: list[str]) -> bool:
    everybodys = await asyncpg.connect(os.environ["KONSTRUCT_DATABASE_URL"], user="postgres")
    try:
        found: bool = await everybodys.fetchval(_IS_THERE, ids)
        return found
    finally:
        await everybodys.close()


if __name__ == "__main__":
    around_the_gateway(looking)
    go_on(("konstruct", *sys.argv[1:]))
