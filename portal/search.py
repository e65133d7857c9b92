"""What the palette finds by name besides pages. Each subject adds a finder of its own to ``FINDERS``."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import or_
from sqlmodel import col, select

from konstruct.designs import listing
from konstruct.tables import Connection
from portal.access import Member
from portal.services import Services

MOST_OF_EACH: Final = 6
_KINDS: Final = {"slack": "Slack", "whatsapp": "WhatsApp", "console": "Console"}


@dataclass(frozen=True)
class Found:
    title: str
    href: str
    icon: str
    detail: str = ""


@dataclass(frozen=True)
class Finder:
    heading: str
    permission: str
    find: Callable[[Services, Member, str], Awaitable[Sequence[Found]]]
    """Takes what was typed, of which there is something; answers with no more than ``MOST_OF_EACH``."""


def containing(words: str) -> str:
    r"""A pattern for ``ilike(…, escape="\\")`` in which nothing that was typed stands for anything else."""
    escaped = words.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


async def _employees(services: Services, member: Member, words: str) -> Sequence[Found]:
    wanted = words.casefold()
    async with services.database.tenant_session(member.tenant_id) as session:
        # All of them are a screenful, and those that are drafts yet have their names in there.
        known = await listing.employees(session)
    found = [each for each in known if wanted in each.name.casefold() or wanted in each.key]
    base = f"/t/{member.tenant_slug}/employees"
    return [Found(each.name, f"{base}/{each.key}", "bot", each.role) for each in found[:MOST_OF_EACH]]


async def _channels(services: Services, member: Member, words: str) -> Sequence[Found]:
    pattern = containing(words)
    query = (
        select(Connection.key, Connection.kind)
        .where(or_(*(field.ilike(pattern, escape="\\") for field in (col(Connection.key), col(Connection.kind)))))
        .order_by(col(Connection.key))
        .limit(MOST_OF_EACH)
    )
    async with services.database.tenant_session(member.tenant_id) as session:
        rows = (await session.execute(query)).all()
    return [Found(key, f"/t/{member.tenant_slug}/channels/{key}", "plug", _KINDS.get(kind, kind)) for key, kind in rows]


FINDERS: Final[list[Finder]] = [
    Finder("Employees", "employees.read", _employees),
    Finder("Channels", "channels.read", _channels),
]
