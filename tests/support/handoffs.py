"""A desk with people at it, and what they do with conversations."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from konstruct.handoffs import entries, owning
from konstruct.handoffs.entries import Enclosure, Origin, Written
from konstruct.handoffs.owning import Agent, Ownership, Wish
from konstruct.inbox import Accepted
from konstruct.tables import Conversation, Handoff, HandoffEntry
from tests.support.office import Office
from tests.support.workshop import set_tenant

GRACE: Final = Agent("grace", "Grace Hopper")
LINUS: Final = Agent("linus", "Linus Pauling")
PEOPLE: Final[Mapping[str, Mapping[str, str]]] = {
    "grace": {"name": GRACE.name, "slack": "UGRACE", "email": "grace@example.com"},
    "linus": {"name": LINUS.name, "slack": "ULINUS", "email": "linus@example.com"},
}
DESK_CHANNEL: Final = "C9"
REASON: Final = "The contact asked for a person."


async def seat(office: Office, *, channel: str | None = DESK_CHANNEL, connection: str = "slack", **desk: Any) -> None:
    """Grace and Linus at the office's desk, which hands everything to both unless told otherwise."""
    shown = {"connection": connection, "channel": channel} if channel is not None else {}
    await set_tenant(office, desk={"people": dict(PEOPLE), **shown, **desk})


def a_wish(reason: str = REASON, **more: Any) -> Wish:
    return Wish("employee", "employee", reason, **more)


async def hand_off(office: Office, asked: Accepted, wish: Wish | None = None) -> UUID:
    """The queue gets the conversation; the handoff."""
    async with office.session() as session:
        owned = await owning.hand_off(session, office.vault, asked.conversation_id, wish or a_wish())
    assert owned.handoff_id is not None
    return owned.handoff_id


async def claim(office: Office, handoff_id: UUID, by: Agent = GRACE) -> Ownership:
    async with office.session() as session:
        return await owning.claim(session, office.vault, handoff_id, by)


async def owned(office: Office, asked: Accepted, by: Agent = GRACE) -> UUID:
    """One that an agent has."""
    handoff_id = await hand_off(office, asked)
    await claim(office, handoff_id, by)
    return handoff_id


async def hand_back(office: Office, handoff_id: UUID, by: Agent = GRACE, **how: Any) -> Ownership:
    async with office.session() as session:
        return await owning.hand_back(session, office.vault, handoff_id, by, **how)


def an_origin(external_id: str | None = None) -> Origin:
    return Origin("api", external_id or secrets.token_hex(8))


def whole(text: str) -> list[str]:
    """A channel that takes everything as one message."""
    return [text]


async def write(
    office: Office,
    handoff_id: UUID,
    text: str,
    by: Agent = GRACE,
    *,
    origin: Origin | None = None,
    parts: Sequence[str] | None = None,
    files: Sequence[Enclosure] = (),
) -> Written:
    async with office.session() as session:
        return await entries.write(
            session,
            office.vault,
            handoff_id,
            by,
            text,
            origin or an_origin(),
            whole if parts is None else lambda _: list(parts),
            files,
        )


async def note(
    office: Office, handoff_id: UUID, text: str, by: Agent = GRACE, *, origin: Origin | None = None
) -> Written:
    async with office.session() as session:
        return await entries.note(session, office.vault, handoff_id, by, text, origin or an_origin())


async def handoff_row(office: Office, handoff_id: UUID) -> Handoff:
    async with office.session() as session:
        return await session.get_one(Handoff, (office.tenant_id, handoff_id))


async def change_row(office: Office, handoff_id: UUID, **values: Any) -> None:
    async with office.session() as session:
        handoff = await session.get_one(Handoff, (office.tenant_id, handoff_id))
        for name, value in values.items():
            setattr(handoff, name, value)


async def entry_row(office: Office, entry_id: UUID) -> HandoffEntry:
    async with office.session() as session:
        return await session.get_one(HandoffEntry, (office.tenant_id, entry_id))


async def conversation(office: Office, asked: Accepted) -> Conversation:
    async with office.session() as session:
        return await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
