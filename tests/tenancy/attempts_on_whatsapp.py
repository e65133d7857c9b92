"""What one tenant may try on another's names, receipts and words that wait; the test beside this one runs it."""

from collections.abc import Awaitable, Callable

from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import aliases, connections, conversations, messages, outbox, outgoing, receipts, reply_window
from konstruct.aliases import Names
from konstruct.connections import ConnectionRef
from konstruct.errors import ChannelRefused, NotFound
from konstruct.handoffs import echoes
from konstruct.handoffs.echoes import Echo
from konstruct.receipts import Receipt
from konstruct.tables import Conversation, Message
from konstruct.tables.base import utc_now
from konstruct.window import Line
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

NAMES = Names("US.1", "16505551234")
LATE = ChannelRefused("It is too late.", "window_closed")


async def meet(office: Furnished) -> None:
    """Somebody is known by what a channel calls them."""
    async with office.session() as session:
        connection = ConnectionRef(office.tenant_id, office.connection_id)
        await aliases.resolve(session, office.vault, connection, Names("US.0", "16505550000"))


async def _rows(b: Furnished) -> tuple[Conversation, Message]:
    async with b.session() as theirs:
        conversation = await theirs.get_one(Conversation, (b.tenant_id, b.asked.conversation_id))
        return conversation, await theirs.get_one(Message, (b.tenant_id, b.reply_id))


async def _outlook(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await reply_window.outlook(session, (await _rows(b))[0])


async def _hold(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await reply_window.hold(session, *(await _rows(b)))


async def _held(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return (await reply_window.held(session, (await _rows(b))[0])).template_id


async def _release(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    conversation, _ = await _rows(b)
    conversation.reengaged_at = conversation.contact_said_at = utc_now()
    return await reply_window.release(session, conversation)


async def _fail(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await outbox.fail(session, *(await _rows(b)), "x")


async def _refuse(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await outbox.refuse(session, *(await _rows(b)), LATE)


async def _receipt(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await receipts.take(session, b.connection_id, Receipt("x", "read", utc_now(), b.reply_id))


async def _assembled(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    _, message = await _rows(b)
    async with b.session() as theirs:
        found = await conversations.whereabouts(theirs, b.vault, b.asked.conversation_id)
        assert await outgoing.assembled(theirs, b.vault, found, Line.of(message), {}, None)
    return await outgoing.assembled(session, a.vault, found, Line.of(message), {}, None)


ON_WHATSAPP: dict[str, tuple[Attempt, object]] = {
    "aliases.resolve": (
        lambda s, a, b: aliases.resolve(s, a.vault, ConnectionRef(a.tenant_id, b.connection_id), NAMES),
        DBAPIError,
    ),
    "aliases.rename": (
        lambda s, a, b: aliases.rename(s, a.vault, ConnectionRef(a.tenant_id, b.connection_id), NAMES, Names("US.2")),
        False,
    ),
    "aliases.find": (
        lambda s, a, b: aliases.find(s, a.vault, ConnectionRef(a.tenant_id, b.connection_id), NAMES),
        None,
    ),
    "aliases.names_of": (lambda s, a, b: aliases.names_of(s, a.vault, [b.contact_id]), []),
    "connections.reinstate": (lambda s, a, b: connections.reinstate(s, b.connection_id, actor="a"), NotFound),
    "handoffs.echoes.take": (
        lambda s, a, b: echoes.take(s, a.vault, b.asked.conversation_id, b.contact_id, Echo("x", "Not yours")),
        NotFound,
    ),
    "messages.latest_said": (lambda s, a, b: messages.latest_said(s, b.asked.conversation_id), ""),
    "outbox.fail": (_fail, NotFound),
    "outgoing.assembled": (_assembled, None),
    "outbox.refuse": (_refuse, NoResultFound),
    "receipts.take": (_receipt, None),
    "reply_window.outlook": (_outlook, NoResultFound),
    "reply_window.hold": (_hold, NoResultFound),
    "reply_window.held": (_held, None),
    "reply_window.release": (_release, NoResultFound),
}
