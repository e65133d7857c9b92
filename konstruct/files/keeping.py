"""The rows of files: each waits, until it is kept or it is known why not. What nothing refers to any more is put down
for removal in the transaction that lets go of it.

Whoever locks a conversation, too, locks it first.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, func, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.db import Database, among
from konstruct.messages import MOST_FILES, SentFile, files_of, opened_files, seal_files
from konstruct.tables import File, FileRemoval, Message, ToolCall
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault

CONTENT: Final = "file"
TEXT: Final = "file text"
"""What ciphers call the purposes of a file's content and of its text; both are of the object, not of the row."""

MOST_AT_ONCE: Final = 20
REMOVALS_AT_ONCE: Final = 100
FETCHED_WITHIN: Final = timedelta(minutes=10)
"""Nobody who began to fetch a file before may still write it after this."""
NOT_IN_TIME: Final = "it could not be fetched in time"

# Null where the conversation has none at all.
ANY_WAITING: Final = (
    select(func.bool_or(col(File.state) == "waiting"))
    .where(col(File.conversation_id) == bindparam("conversation_id"))
    .scalar_subquery()
)


def expect(session: AsyncSession, message: Message, sent: Sequence[SentFile]) -> None:
    """Puts down what is to be fetched of a message that a contact sent: all that its channel says how to get."""
    if message.contact_id is None:
        return
    session.add_all(
        File(
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.id,
            contact_id=message.contact_id,
            position=position,
        )
        for position, file in enumerate(sent[:MOST_FILES])
        if file.reference
    )


def enclose(session: AsyncSession, cipher: ContactCipher, message: Message, file_id: UUID, sent: SentFile) -> None:
    """Puts a file into a message that waits to be sent, which has none yet. Its content lies in the store already,
    under ``file_id``, sealed as all are."""
    message.sealed_files = seal_files(cipher, message.id, [sent])
    session.add(
        File(
            tenant_id=message.tenant_id,
            id=file_id,
            conversation_id=message.conversation_id,
            message_id=message.id,
            contact_id=cipher.contact_id,
            position=0,
            state="kept",
            object_id=file_id,
            size=sent.size,
            media_type=sent.media_type,
            settled_at=utc_now(),
        )
    )


@dataclass(frozen=True)
class Enclosed:
    """A file that goes out with a message."""

    object_id: UUID
    name: str = field(repr=False)
    media_type: str
    cipher: ContactCipher


async def enclosed(session: AsyncSession, vault: Vault, message_id: UUID) -> Enclosed | None:
    """None where it was removed meanwhile."""
    row = (
        await session.execute(
            select(File, col(Message.sealed_files))
            .join(Message, and_(col(Message.tenant_id) == col(File.tenant_id), col(Message.id) == col(File.message_id)))
            .where(col(File.message_id) == message_id, col(File.state) == "kept")
        )
    ).one_or_none()
    if row is None:
        return None
    file, sealed = row
    cipher = (await vault.ciphers(session, [file.contact_id])).get(file.contact_id)
    if cipher is None or sealed is None or file.object_id is None:
        return None
    sent = opened_files(cipher, message_id, sealed)[file.position]
    return Enclosed(file.object_id, sent.name, file.media_type or sent.media_type, cipher)


@dataclass(frozen=True)
class Task:
    """A file that waits to be fetched."""

    tenant_id: UUID
    conversation_id: UUID
    file_id: UUID
    sent: SentFile
    cipher: ContactCipher

    @property
    def store_key(self) -> str:
        return store_key(self.tenant_id, self.file_id)


async def waiting(session: AsyncSession, vault: Vault, conversation_id: UUID) -> list[Task]:
    """The newest first, at most ``MOST_AT_ONCE``: what is asked now is likely to be about them."""
    rows = (
        await session.execute(
            select(File, Message)
            .join(Message, and_(col(Message.tenant_id) == col(File.tenant_id), col(Message.id) == col(File.message_id)))
            .where(col(File.conversation_id) == conversation_id, col(File.state) == "waiting")
            .order_by(col(Message.seq).desc(), col(File.position))
            .limit(MOST_AT_ONCE)
        )
    ).all()
    ciphers = await vault.ciphers(session, {file.contact_id for file, _ in rows})
    return [
        Task(file.tenant_id, conversation_id, file.id, files_of(message, cipher)[file.position], cipher)
        for file, message in rows
        if (cipher := ciphers.get(file.contact_id)) is not None and message.sealed_files is not None
    ]


async def waiting_with(session: AsyncSession, conversation_id: UUID) -> set[UUID]:
    """Messages whose files have not all come yet."""
    query = select(col(File.message_id)).where(col(File.conversation_id) == conversation_id)
    return set(await session.scalars(query.where(col(File.state) == "waiting").distinct()))


@dataclass(frozen=True)
class Content:
    """What is kept of a file."""

    media_type: str
    size: int
    text: str = ""


async def keep_same(session: AsyncSession, task: Task, digest: str) -> str | None:
    """Settles it where the contact sent the same content before, and it is still kept; gives what it is then."""
    same = await session.scalar(
        select(File)
        .where(col(File.contact_id) == task.cipher.contact_id, col(File.digest) == digest, col(File.state) == "kept")
        .limit(1)
        .with_for_update(key_share=True)
    )
    if same is None:
        return None
    await _settle(
        session,
        task.file_id,
        state="kept",
        object_id=same.object_id,
        digest=digest,
        size=same.size,
        media_type=same.media_type,
        sealed_text=same.sealed_text,
    )
    return same.media_type


async def keep(session: AsyncSession, task: Task, digest: str, content: Content) -> None:
    """Its content lies in the store, under its own id. Where nothing refers to that any more, it is to go again."""
    await _settle(
        session,
        task.file_id,
        state="kept",
        object_id=task.file_id,
        digest=digest,
        size=content.size,
        media_type=content.media_type,
        sealed_text=task.cipher.seal(TEXT, task.file_id, content.text) if content.text else None,
    )
    if await session.scalar(select(File.id).where(col(File.object_id) == task.file_id).limit(1)) is None:
        await put_down(session, task.tenant_id, task.file_id, timedelta(0))


async def refuse(session: AsyncSession, file_id: UUID, error: str, *, is_its_own_fault: bool = True) -> None:
    """``error``: why it is not kept, to be read after “could not be opened:”."""
    await _settle(session, file_id, state="refused" if is_its_own_fault else "failed", error=error)


async def give_up(session: AsyncSession, conversation_id: UUID) -> None:
    """What waits here is not waited for any more."""
    await session.execute(
        update(File)
        .where(col(File.conversation_id) == conversation_id, col(File.state) == "waiting")
        .values(state="failed", error=NOT_IN_TIME, settled_at=utc_now())
    )


async def _settle(session: AsyncSession, file_id: UUID, **values: object) -> None:
    """Once: of several who fetched it, the first one's word holds."""
    await session.execute(
        update(File)
        .where(col(File.id) == file_id, col(File.state) == "waiting")
        .values(**values, settled_at=utc_now())
        .execution_options(synchronize_session=False)
    )


async def remove_of(session: AsyncSession, message_ids: Collection[UUID]) -> None:
    """Whatever came or went with these messages."""
    which = among(col(File.message_id), message_ids)
    # Locked before they go, so that nobody comes to share an object that is about to be removed.
    locked = await session.scalars(select(File).where(which).order_by(col(File.id)).with_for_update())
    # Somebody may be about to write one that waits.
    gone = {
        file.object_id or file.id: (file.tenant_id, FETCHED_WITHIN if file.state == "waiting" else timedelta(0))
        for file in locked
    }
    await session.execute(delete(File).where(which).execution_options(synchronize_session=False))
    shared = set(await session.scalars(select(col(File.object_id)).where(col(File.object_id).in_(gone))))
    for object_id in gone.keys() - shared:
        await put_down(session, gone[object_id][0], object_id, gone[object_id][1])


async def put_down(session: AsyncSession, tenant_id: UUID, object_id: UUID, delay: timedelta) -> None:
    """To be removed then, unless somebody takes it up again."""
    removal = insert(FileRemoval).values(tenant_id=tenant_id, id=object_id, due_at=utc_now() + delay)
    await session.execute(removal.on_conflict_do_nothing())


async def take_up(session: AsyncSession, object_id: UUID) -> bool:
    """Whether a message may have what was put down for later, or was in one that was discarded. Then nothing removes it
    any more."""
    put_down = col(FileRemoval.id) == object_id, col(FileRemoval.due_at) > utc_now()
    if await session.scalar(delete(FileRemoval).where(*put_down).returning(col(FileRemoval.id))) is not None:
        return True
    discarded = select(col(Message.id)).where(col(Message.state) == "discarded")
    free = delete(File).where(col(File.id) == object_id, col(File.message_id).in_(discarded))
    freed = free.returning(col(File.id)).execution_options(synchronize_session=False)
    return await session.scalar(freed) is not None


async def hasten_removals(session: AsyncSession, contact_ids: Collection[UUID]) -> None:
    """What was made ready for these contacts, and no message took up, need not wait. It lies under its call's id."""
    theirs = select(col(ToolCall.id)).where(col(ToolCall.contact_id).in_(contact_ids))
    # Somebody may be about to write it.
    due_at = func.least(col(FileRemoval.due_at), utc_now() + FETCHED_WITHIN)
    await session.execute(
        update(FileRemoval)
        .where(col(FileRemoval.id).in_(theirs))
        .values(due_at=due_at)
        .execution_options(synchronize_session=False)
    )


async def count_of(session: AsyncSession, contact_id: UUID) -> int:
    """Files of a contact that are kept."""
    kept = select(func.count()).where(col(File.contact_id) == contact_id, col(File.state) == "kept")
    return await session.scalar(kept) or 0


async def with_removals(database: Database, at_most: int) -> list[UUID]:
    """Tenants that have something to remove."""
    async with database.system_session() as session:
        found = await session.scalars(sql("select tenants_with_file_removals(:at_most)"), {"at_most": at_most})
        return list(found)


async def due_removals(session: AsyncSession) -> list[UUID]:
    due = select(col(FileRemoval.id)).where(col(FileRemoval.due_at) <= utc_now()).order_by(col(FileRemoval.due_at))
    return list(await session.scalars(due.limit(REMOVALS_AT_ONCE)))


async def note_removed(session: AsyncSession, object_ids: Collection[UUID]) -> None:
    await session.execute(delete(FileRemoval).where(col(FileRemoval.id).in_(object_ids)))


def store_key(tenant_id: UUID, object_id: UUID) -> str:
    return f"{tenant_id}/{object_id}"
