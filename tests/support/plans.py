"""How Postgres would go about a statement if no table could be read whole, and no rows sorted."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession


async def plan(session: AsyncSession, query: Select[Any]) -> str:
    """Tables of tests are so small that they are read whole unless it is forbidden."""
    for forbidden in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
        await session.execute(select(func.set_config(forbidden, "off", True)))
    connection = await session.connection()
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    return "\n".join((await connection.exec_driver_sql(f"explain {compiled}")).scalars())
