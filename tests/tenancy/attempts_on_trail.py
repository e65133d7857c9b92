"""What one tenant may try on another's contacts and trail; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, consent, contact_book, contacts, disclosing, erasing
from konstruct.audit import checks, finding
from konstruct.errors import NotFound
from konstruct.tables import AuditCheck, AuditEvent, ContactErasure
from konstruct.tables.base import utc_now
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def put_down(office: Furnished) -> None:
    """An erasure that waits, a check that is over, and somebody whom only this trail knows."""
    async with office.session() as session:
        tenant_id = office.tenant_id
        session.add(ContactErasure(tenant_id=tenant_id, contact_id=office.contact_id, asked_by="test"))
        session.add(AuditCheck(tenant_id=tenant_id, asked_by="test", ended_at=utc_now(), outcome="whole"))
        audit.record(session, tenant_id=tenant_id, actor=_canary(office), action="turn.answered")


def _canary(office: Furnished) -> str:
    return f"canary:{office.tenant_id}"


async def _page(session: AsyncSession, a: Furnished, b: Furnished) -> list[UUID]:
    found = []
    for words in (str(b.contact_id), "canary"):
        page = await contact_book.page(session, a.vault, b.tenant_id, contact_book.Filters(words), 50)
        found += [each.contact_id for each in page.entries]
    return [each for each in found if each == b.contact_id]


async def _connection(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    """Both have one of this name."""
    return await contact_book.connection(session, "slack") == a.connection_id


async def _their_check(b: Furnished) -> UUID:
    async with b.session() as theirs:
        return (await checks.listing(theirs))[0].id


async def _ask_check(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await checks.ask(session, b.tenant_id, actor="a")
    await session.flush()


async def _get_check(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await checks.get(session, await _their_check(b))


async def _give_up_check(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await checks.give_up(session, await _their_check(b))


async def _checks(session: AsyncSession, a: Furnished, b: Furnished) -> set[UUID]:
    return {each.tenant_id for each in await checks.listing(session)} - {a.tenant_id}


async def _get_event(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        event_id = (await theirs.scalars(select(col(AuditEvent.id)).limit(1))).one()
    return await finding.get(session, event_id)


async def _content_of(session: AsyncSession, a: Furnished, b: Furnished) -> str | None:
    async with b.session() as theirs:
        event = (await theirs.scalars(select(AuditEvent).where(col(AuditEvent.content).is_not(None)).limit(1))).one()
    return await disclosing.content_of(session, a.vault, event)


async def _actors(session: AsyncSession, a: Furnished, b: Furnished) -> tuple[bool, bool]:
    known = await finding.actors(session)
    return _canary(a) in known, _canary(b) in known


async def _unfinished(session: AsyncSession, a: Furnished, b: Furnished) -> set[UUID]:
    return {each.tenant_id for each in await erasing.unfinished(session)} - {a.tenant_id}


ON_TRAIL: Final[dict[str, tuple[Attempt, object]]] = {
    "contacts.separate": (lambda s, a, b: contacts.separate(s, a.tenant_id, b.contact_id, actor="a"), NotFound),
    "contacts.forget": (lambda s, a, b: contacts.forget(s, a.tenant_id, b.contact_id, None, actor="a"), NotFound),
    "contact_book.require_there": (lambda s, a, b: contact_book.require_there(s, [b.contact_id]), NotFound),
    "consent.state_wish": (
        lambda s, a, b: consent.state_wish(s, a.vault, b.contact_id, is_out=True, by="a", reason="No."),
        NotFound,
    ),
    "disclosing.content_of": (_content_of, None),
    "contact_book.connection": (_connection, True),
    "contact_book.page": (_page, []),
    "contact_book.any_there": (lambda s, a, b: contact_book.any_there(s), True),
    "contact_book.entry": (lambda s, a, b: contact_book.entry(s, a.vault, b.contact_id), NotFound),
    "contact_book.read": (lambda s, a, b: contact_book.read(s, a.vault, b.contact_id), NotFound),
    "contact_book.facts": (lambda s, a, b: contact_book.facts(s, a.vault, [b.contact_id]), []),
    "contact_book.preview": (lambda s, a, b: contact_book.preview(s, a.vault, b.contact_id), NotFound),
    "disclosing.note": (lambda s, a, b: disclosing.note(s, a.vault, a.tenant_id, b.contact_id, actor="a"), NotFound),
    "erasing.ask": (lambda s, a, b: erasing.ask(s, a.tenant_id, b.contact_id, actor="a"), NotFound),
    "erasing.latest": (lambda s, a, b: erasing.latest(s, b.contact_id), None),
    "erasing.unfinished": (_unfinished, set()),
    "audit.finding.page": (
        lambda s, a, b: finding.page(s, audit.Filters(conversation_id=b.asked.conversation_id), 50),
        finding.Page([], None, None),
    ),
    "audit.finding.actors": (_actors, (True, False)),
    "audit.finding.get": (_get_event, NotFound),
    "audit.checks.ask": (_ask_check, DBAPIError),
    "audit.checks.get": (_get_check, NotFound),
    "audit.checks.give_up": (_give_up_check, NotFound),
    "audit.checks.listing": (_checks, set()),
}
