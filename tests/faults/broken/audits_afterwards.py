"""A worker that tells the trail of what it did in a transaction of its own, a moment after: of what it was killed over,
nothing is ever told."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import db
from konstruct.audit import recording
from konstruct.cli import main

MOMENT: Final = 2.0
under_way: set[asyncio.Task[None]] = set()


def afterwards(session: AsyncSession, statement: Callable[[AsyncSession], Awaitable[None]], **_: Any) -> None:
    about, engine = dict(session.info), session.bind

    def committed(_: object) -> None:
        task = asyncio.get_running_loop().create_task(told(about, engine, statement))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    event.listen(session.sync_session, "after_commit", committed, once=True)


async def told(about: dict[Any, Any], engine: Any, statement: Callable[[AsyncSession], Awaitable[None]]) -> None:
    await asyncio.sleep(MOMENT)
    late = AsyncSession(engine, sync_session_class=db._ScopedSession)
    late.info.update(about)
    async with late, late.begin():
        await statement(late)


if __name__ == "__main__":
    vars(recording)["db"] = SimpleNamespace(before_commit=afterwards)
    main()
