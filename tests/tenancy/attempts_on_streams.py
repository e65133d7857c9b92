"""What one tenant may try on an answer that another's employee is just giving; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import messages, outbox, streams
from konstruct.conversations import Turn
from konstruct.errors import NotFound
from konstruct.identity import MessageId, new_id
from konstruct.streams import Shown, Stream
from konstruct.tables import Conversation, Message
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def stream(office: Furnished) -> None:
    """An answer of which the beginning is shown."""
    asked, turn_id = await office.say("Canary for a stream", root="6.0"), new_id()
    turn = await office.begin(asked, turn_id)
    assert isinstance(turn, Turn)
    async with office.session() as session:
        begun = await streams.begin(
            session,
            office.vault,
            asked.conversation_id,
            turn_id,
            step=0,
            through_seq=turn.asked_seqs[-1],
            text="Canary beginning",
        )
        assert begun is not None
        assert await streams.started(session, begun, "stream-1")


async def half_send(office: Furnished) -> None:
    """An answer of which the channel has the first part alone."""
    asked = await office.say("Canary for two", root="6.5")
    first, _ = await office.answer(asked, "Canary one", "Canary two")
    await office.begin_send(asked, first)
    await office.settle_sent(asked, first)


async def _reply_under_way(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        of_b = (await theirs.scalars(select(Conversation).where(Conversation.root == "6.5"))).one()
        assert len(await messages.reply_under_way(theirs, of_b.turn_id)) == 2
    return await messages.reply_under_way(session, of_b.turn_id)


async def _row(b: Furnished) -> Message:
    async with b.session() as theirs:
        return (await theirs.scalars(select(Message).where(Message.state == "streaming"))).one()


async def _stream(b: Furnished) -> Stream:
    """As the attempt that leads it has it."""
    row = await _row(b)
    assert row.contact_id is not None
    async with b.session() as theirs:
        cipher = await b.vault.cipher(theirs, b.tenant_id, row.contact_id)
        conversation = await theirs.get_one(Conversation, (b.tenant_id, row.conversation_id))
    assert conversation.turn_id is not None
    return Stream(
        row.conversation_id,
        conversation.turn_id,
        row.epoch or 0,
        MessageId(row.id),
        row.created_at,
        str(row.detail["lead"]),
        cipher,
        "Canary beginning",
        row.external_id,
    )


def _on_stream(attempt: Callable[[AsyncSession, Furnished, Stream], Awaitable[object]]) -> Attempt:
    async def tried(session: AsyncSession, a: Furnished, b: Furnished) -> object:
        return await attempt(session, a, await _stream(b))

    return tried


async def _cut(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    row = await _row(b)
    async with b.session() as theirs:
        conversation = await theirs.get_one(Conversation, (b.tenant_id, row.conversation_id))
    await streams.cut(session, conversation)


async def _taken_over(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    detail: dict[str, object] = {"stream": str((await _row(b)).id)}
    async with b.session() as theirs:
        assert await streams.taken_over(theirs, detail)
    return await streams.taken_over(session, detail)


async def _known(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    row = await _row(b)
    another = Shown(new_id(), None, row.created_at)
    async with b.session() as theirs:
        assert await streams.known(theirs, row.conversation_id, another) == {"stream-1"}
    return await streams.known(session, row.conversation_id, another)


def _shown(stream: Stream) -> Shown:
    return Shown(stream.message_id, stream.external_id, stream.began_at)


ON_STREAMS: dict[str, tuple[Attempt, object]] = {
    "streams.begin": (
        _on_stream(
            lambda s, a, of: streams.begin(
                s, a.vault, of.conversation_id, of.turn_id, step=0, through_seq=100, text="Not yours"
            )
        ),
        NotFound,
    ),
    "streams.resume": (
        _on_stream(lambda s, a, of: streams.resume(s, a.vault, of.conversation_id, of.turn_id, step=0)),
        NotFound,
    ),
    "streams.started": (_on_stream(lambda s, a, of: streams.started(s, of, "stolen")), NotFound),
    "streams.never_began": (_on_stream(lambda s, a, of: streams.never_began(s, of)), NotFound),
    "streams.lease": (_on_stream(lambda s, a, of: streams.lease(s, of, "Not yours")), NotFound),
    "streams.gave_back": (_on_stream(lambda s, a, of: streams.gave_back(s, of)), None),
    "streams.park": (_on_stream(lambda s, a, of: streams.park(s, of, 1)), None),
    "streams.is_any_open": (_on_stream(lambda s, a, of: streams.is_any_open(s, of.conversation_id)), False),
    "streams.is_open": (_on_stream(lambda s, a, of: streams.is_open(s, of)), False),
    "streams.take_over": (
        _on_stream(lambda s, a, of: streams.take_over(s, of.conversation_id, of.message_id, "Not yours", None)),
        None,
    ),
    "streams.taken_over": (_taken_over, None),
    "streams.let_go": (_on_stream(lambda s, a, of: streams.let_go(s, of.conversation_id, _shown(of))), None),
    "streams.cut": (_cut, None),
    "streams.cut_lately": (_on_stream(lambda s, a, of: streams.cut_lately(s, of.conversation_id)), []),
    "streams.known": (_known, set()),
    "messages.reply_under_way": (_reply_under_way, []),
    "outbox.settle_unstreamed": (
        _on_stream(lambda s, a, of: outbox.settle_unstreamed(s, of.conversation_id, of.message_id, _shown(of))),
        NotFound,
    ),
}
