"""The inbox's list: a page of conversations in a view's order, how many there are, and where words were said."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import naming
from konstruct.connecting import overview
from konstruct.db import among
from konstruct.desk import people
from konstruct.desk.people import Desk
from konstruct.identity import id_in
from konstruct.tables import Conversation, Handoff
from konstruct.vault import Vault
from konstruct.workbench import rows, views
from konstruct.workbench.rows import Row
from konstruct.workbench.views import Asked

AT_ONCE: Final = 50
"""Rows of a page."""
LONGEST_SEARCH: Final = timedelta(seconds=1.5)
MOST_MESSAGES: Final = 60
"""Of each conversation in which words are looked for: its latest ones."""
_BATCH: Final = 50


@dataclass(frozen=True)
class Looked:
    """How far words were looked for."""

    conversations: int
    back_to: datetime | None
    """When the last conversation that was looked into was written in."""
    is_whole: bool


@dataclass(frozen=True)
class Listed:
    rows: list[Row]
    next: str | None = None
    """What ``after`` has to be for the next page; None: there is none."""
    looked: Looked | None = None


@dataclass(frozen=True)
class Counts:
    """How many there are of each view that somebody has to look after."""

    needs: int = 0
    mine: int = 0
    owned: int = 0

    @property
    def open(self) -> int:
        return self.needs + self.owned


async def page(
    session: AsyncSession,
    vault: Vault,
    tenant_id: UUID,
    asked: Asked,
    *,
    user_id: UUID | None = None,
    at_most: int = AT_ONCE,
) -> Listed:
    """Of the session's tenant, which is ``tenant_id``. ``user_id``: whose marks say what is new; without it nothing is.

    Raises BadInput where ``asked.after`` is no place in this view.
    """
    desk = await people.settings(session)
    employees = {each.employee_id: each.name for each in await overview.employees(session)}
    reader = _Reader(session, vault, asked, desk, employees, user_id)
    if asked.text.strip():
        return await _searched(reader, tenant_id, at_most)
    found = await reader.batch(asked.after, at_most + 1)
    shown = await reader.shown(await reader.opened(found[:at_most]))
    return Listed(shown, _place(found[at_most - 1]) if len(found) > at_most else None)


async def named(session: AsyncSession, vault: Vault, tenant_id: UUID, text: str, at_most: int) -> list[Row]:
    """Of all conversations, the latest whose contact, or who themselves, are called so."""
    desk = await people.settings(session)
    employees = {each.employee_id: each.name for each in await overview.employees(session)}
    reader = _Reader(session, vault, Asked("all", text=text), desk, employees, None)
    return await reader.shown(await reader.opened(await _named(reader, tenant_id, at_most)))


async def counts(session: AsyncSession, agent: str | None) -> Counts:
    """``agent``: the key of the one whose inbox it is."""
    found = Counts()
    states = await session.execute(
        select(col(Handoff.state), col(Handoff.agent), func.count())
        .where(col(Handoff.state).in_(("waiting", "owned")))
        .group_by(col(Handoff.state), col(Handoff.agent))
    )
    for state, of_agent, number in states:
        if state == "waiting":
            found = replace(found, needs=found.needs + number)
        else:
            mine = number if agent is not None and of_agent == agent else 0
            found = replace(found, owned=found.owned + number, mine=found.mine + mine)
    return found


@dataclass(frozen=True)
class _Reader:
    """All that reading rows takes."""

    session: AsyncSession
    vault: Vault
    asked: Asked
    desk: Desk
    employees: Mapping[UUID, str]
    user_id: UUID | None

    async def batch(self, after: str | None, number: int) -> Sequence[Any]:
        query = views.query(self.asked).limit(number)
        if after is not None:
            query = query.where(views.order(self.asked.view).after(after))
        found: Sequence[Any] = (await self.session.execute(query)).all()
        return found

    async def opened(self, found: Sequence[Any], *, most: int = 1) -> rows.Read:
        return await rows.opened(self.session, self.vault, found, self.employees, most=most)

    async def shown(self, read: rows.Read) -> list[Row]:
        return await rows.shown(self.session, self.asked, self.desk, read, self.user_id)


async def _searched(reader: _Reader, tenant_id: UUID, at_most: int) -> Listed:
    """What names and ids find at once comes first; then rows are opened one batch after the other, in the view's order,
    for as long as somebody may be kept waiting."""
    words = reader.asked.text.casefold().split()
    named = await _named(reader, tenant_id, at_most)
    known = {rows.row_id(row) for row in named}
    is_first = reader.asked.after is None
    shown = await reader.shown(await reader.opened(named if is_first else ()))
    after, looked, back_to, is_whole = reader.asked.after, 0, None, False
    until = time.monotonic() + LONGEST_SEARCH.total_seconds()
    while len(shown) < at_most and not is_whole and (not looked or time.monotonic() < until):
        batch = await reader.batch(after, _BATCH)
        read = await reader.opened(batch, most=MOST_MESSAGES)
        hits: list[Any] = []
        is_whole = len(batch) < _BATCH
        for number, row in enumerate(batch, 1):
            after, looked, back_to = _place(row), looked + 1, row.Conversation.last_message_at
            if rows.row_id(row) not in known and rows.says(row, read, words):
                hits.append(row)
            if len(shown) + len(hits) == at_most:
                is_whole = is_whole and number == len(batch)
                break
        shown += await reader.shown(replace(read, rows=hits))
    return Listed(shown, None if is_whole else after, Looked(looked, back_to, is_whole))


async def _named(reader: _Reader, tenant_id: UUID, at_most: int) -> Sequence[Any]:
    """Those whose contact, or who themselves, are called so."""
    contacts = await naming.find(reader.session, reader.vault, tenant_id, reader.asked.text)
    is_named = among(col(Conversation.contact_id), contacts)
    if (given := id_in(reader.asked.text)) is not None:
        is_named |= col(Conversation.id) == given
    query = views.query(reader.asked).where(is_named).limit(at_most)
    found: Sequence[Any] = (await reader.session.execute(query)).all()
    return found


def _place(row: Any) -> str:
    return views.place([value for name, value in row._mapping.items() if str(name).startswith("at_")])
