"""What the palette finds by name besides pages. Each subject adds a finder of its own to ``FINDERS``."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from konstruct import contact_book
from konstruct.accounts import team
from konstruct.billing import entitlements
from konstruct.connecting import overview
from konstruct.designs import listing
from konstruct.knowledge import sources
from konstruct.tools import defining
from konstruct.workbench import listing as listing_of_inbox
from portal import channel_words, knowledge_words
from portal.access import Member
from portal.services import Services
from portal.settings_sections import SECTIONS

MOST_OF_EACH: Final = 6
_BILLING: Final = (
    ("Plans", "#plans", "upgrade downgrade subscription price trial billing"),
    ("Usage against the plan's limits", "#used", "limits quota billing"),
    ("Invoices", "/invoices", "payment receipts billing"),
)


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
    """Takes what was typed, of which there is something."""


async def _employees(services: Services, member: Member, words: str) -> Sequence[Found]:
    async with services.database.tenant_session(member.tenant_id) as session:
        all_of_them = await listing.employees(session)
    at = f"/t/{member.tenant_slug}/employees"
    return [
        Found(each.name, f"{at}/{each.key}", "bot", each.role)
        for each in all_of_them
        if each.archived_at is None and _is_called(words, each.name, each.key, each.role)
    ]


async def _channels(services: Services, member: Member, words: str) -> Sequence[Found]:
    async with services.database.tenant_session(member.tenant_id) as session:
        all_of_them = await overview.every(session)
    at = f"/t/{member.tenant_slug}/channels"
    return [
        Found(channel_words.title(each), f"{at}/{each.connection_id}", "plug", each.employee.name)
        for each in all_of_them
        if _is_called(words, channel_words.title(each), each.key, each.kind)
    ]


async def _sources(services: Services, member: Member, words: str) -> Sequence[Found]:
    async with services.database.tenant_session(member.tenant_id) as session:
        all_of_them = await sources.listing(session)
    at = f"/t/{member.tenant_slug}/knowledge"
    return [
        Found(each.title, f"{at}/{each.key}", "book-open", knowledge_words.KINDS[each.kind])
        for each in all_of_them
        if _is_called(words, each.title, each.key, each.url or "")
    ][:MOST_OF_EACH]


async def _tools(services: Services, member: Member, words: str) -> Sequence[Found]:
    async with services.database.tenant_session(member.tenant_id) as session:
        all_of_them = await defining.listing(session)
    at = f"/t/{member.tenant_slug}/tools"
    return [
        Found(each.key, f"{at}/{each.key}", "wrench", "HTTP tool" if each.kind == "http" else "Server of tools")
        for each in all_of_them
        if _is_called(words, each.key, *each.listing)
    ][:MOST_OF_EACH]


async def _members(services: Services, member: Member, words: str) -> Sequence[Found]:
    async with services.database.tenant_session(member.tenant_id) as session:
        all_of_them = await team.members(session)
    return [
        Found(each.name or each.email, f"/t/{member.tenant_slug}/team", "user", each.email)
        for each in all_of_them
        if _is_called(words, each.name, each.email)
    ]


async def _contacts(services: Services, member: Member, words: str) -> Sequence[Found]:
    async with services.database.tenant_session(member.tenant_id) as session:
        filters = contact_book.Filters(words)
        page = await contact_book.page(session, services.vault, member.tenant_id, filters, MOST_OF_EACH)
    at = f"/t/{member.tenant_slug}/contacts"
    return [
        Found(each.name, f"{at}/{each.contact_id}", "contact", channel_words.KINDS.get(each.kind, each.kind))
        for each in page.entries
    ]


async def _conversations(services: Services, member: Member, words: str) -> Sequence[Found]:
    """By the contact's name, number or id, or the conversation's own id: nothing that was said is opened for it."""
    async with services.database.tenant_session(member.tenant_id) as session:
        found = await listing_of_inbox.named(session, services.vault, member.tenant_id, words, MOST_OF_EACH)
    at = f"/t/{member.tenant_slug}/inbox"
    return [Found(row.contact, f"{at}/{row.conversation_id}?view=all", "message-square", row.employee) for row in found]


def _is_called(words: str, *names: str) -> bool:
    return any(words.casefold() in name.casefold() for name in names)


async def _settings(services: Services, member: Member, words: str) -> Sequence[Found]:
    wanted = words.casefold()
    return [
        Found(section.title, f"/t/{member.tenant_slug}/settings{section.path}", "settings", "Settings")
        for section in SECTIONS
        if member.may(section.permission) and wanted in f"settings {section.title} {section.keywords}".casefold()
    ][:MOST_OF_EACH]


async def _billing(services: Services, member: Member, words: str) -> Sequence[Found]:
    async with services.database.tenant_session(member.tenant_id) as session:
        is_billed = (await entitlements.of(session)).account is not None
    at = f"/t/{member.tenant_slug}/billing"
    return [
        Found(title, at + path, "credit-card", "Billing")
        for title, path, keywords in _BILLING
        if is_billed and _is_called(words, title, keywords)
    ]


FINDERS: Final[list[Finder]] = [
    Finder("Employees", "employees.read", _employees),
    Finder("Channels", "channels.read", _channels),
    Finder("Contacts", "contacts.read", _contacts),
    Finder("Conversations", "inbox.read", _conversations),
    Finder("Knowledge", "knowledge.read", _sources),
    Finder("Tools", "tools.read", _tools),
    Finder("Billing", "billing.read", _billing),
    Finder("Settings", "settings.read", _settings),
    Finder("Team", "team.read", _members),
]
