"""What to compare a version with, and a draft: as whoever reads differences names it."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.designs import versions
from konstruct.designs.content import Content, blank, of_version
from konstruct.designs.drafting import Draft


@dataclass(frozen=True)
class Other:
    """What something is compared with."""

    title: str
    content: Content
    number: int | None = None
    """Of a version."""


async def published(session: AsyncSession, draft: Draft) -> Other:
    """What serves; nothing where nothing was ever published."""
    return await _version(session, draft, draft.published_version)


async def other(session: AsyncSession, draft: Draft, number: int, against: str) -> Other:
    """``against``: ``before`` the version with this number, ``published``, ``draft``, or a version's number; whatever
    else it is, nothing. Raises NotFound of a version that is not there."""
    if against == "draft":
        return Other("the draft", draft.content)
    if against == "published":
        return await published(session, draft)
    if against == "before":
        return await _version(session, draft, number - 1)
    return await _version(session, draft, int(against[:9]) if against.isascii() and against.isdigit() else 0)


async def _version(session: AsyncSession, draft: Draft, number: int) -> Other:
    if not number:
        return Other("nothing", blank())
    found = await versions.called(session, draft.employee_id, number)
    return Other(f"version {number}", of_version(found), number)
