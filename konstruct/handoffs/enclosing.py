"""Files that agents send. Whether they can go is judged before anything of them is kept; then they lie in the store,
sealed, until a reply takes them along. What no reply takes along is removed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.channels import CHANNELS, Channel, bare_type
from konstruct.db import Database
from konstruct.errors import BadInput, Unavailable, Unreadable
from konstruct.file_ports import FileStore, PictureReader
from konstruct.files import keeping, kinds, types
from konstruct.handoffs import entries, finding, owning
from konstruct.handoffs.entries import Enclosure, Origin
from konstruct.handoffs.owning import Agent
from konstruct.identity import new_id
from konstruct.messages import SentFile, files_of
from konstruct.tables import Conversation, Message
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault

MOST: Final = 10
MOST_BYTES: Final = 25_000_000
"""Of all files of one reply."""
RECENTLY: Final = timedelta(minutes=5)
LATELY: Final = 100
"""Messages among which those of that time are."""
KEPT_FOR: Final = timedelta(hours=1)
"""Far longer than the reply takes that they come with."""


@dataclass(frozen=True)
class Upload:
    """A file as somebody hands it in."""

    name: str
    media_type: str
    """As the browser says."""
    content: bytes = field(repr=False)


class Enclosing:
    def __init__(self, database: Database, vault: Vault, store: FileStore, pictures: PictureReader) -> None:
        self._database = database
        self._vault = vault
        self._store = store
        self._pictures = pictures

    async def make_ready(
        self, tenant_id: UUID, handoff_id: UUID, by: Agent, uploads: Sequence[Upload], origin: Origin
    ) -> list[Enclosure]:
        """For ``entries.write``, in a transaction that begins after this, with the same ``origin``. Of a reply that was
        taken before, nothing is kept once more, and they are given as they came: to be compared with what was.

        Raises:
            BadInput: one of them cannot be sent there, or they are too many or too large; nothing was kept.
            NotFound, Conflict: as ``entries.write`` does, before anything is kept.
            Unavailable: the store is away; what it has of them is removed.
        """
        if not uploads:
            return []
        async with self._database.tenant_session(tenant_id) as session:
            kind = await finding.channel_kind(session, handoff_id)
        sent = judged(CHANNELS[kind], uploads)
        for upload, file in zip(uploads, sent, strict=True):
            if kinds.kind_of(file.media_type) == "picture":
                await self._look_at(upload, file)
        async with self._database.tenant_session(tenant_id) as session:
            begun = await begin(session, self._vault, handoff_id, by, origin, sent)
        if begun is None:
            return [Enclosure(new_id(), file) for file in sent]
        cipher, ready = begun
        for upload, each in zip(uploads, ready, strict=True):
            sealed = await asyncio.to_thread(cipher.seal_bytes, keeping.CONTENT, each.object_id, upload.content)
            await self._store.put(keeping.store_key(tenant_id, each.object_id), sealed)
        return ready

    async def _look_at(self, upload: Upload, sent: SentFile) -> None:
        """What cannot be looked at here, whoever gets it cannot look at either."""
        try:
            await self._pictures.small(upload.content)
        except Unreadable as error:
            raise BadInput(f"“{sent.name}” is no picture that can be looked at: {str(error).rstrip('.')}.") from error
        except Unavailable as error:
            raise Unavailable("The picture could not be looked at just now: try again.") from error


def judged(channel: Channel, uploads: Sequence[Upload]) -> list[SentFile]:
    """What each is by its content, under a name that goes with it. Raises BadInput where the channel takes one not."""
    if len(uploads) > MOST:
        raise BadInput(f"At most {MOST} files go out with one reply. Send the others with another one.")
    if sum(len(upload.content) for upload in uploads) > MOST_BYTES:
        raise BadInput(f"Together these files are larger than {MOST_BYTES // 1_000_000} MB: send fewer at once.")
    if not channel.media:
        raise BadInput("No files can be sent here: this channel takes text alone.")
    found = []
    for upload in uploads:
        media_type = types.type_of(upload.content, upload.name, upload.media_type)
        sent = SentFile(types.clean_name(upload.name, media_type), media_type, len(upload.content))
        _be_taken(channel, sent)
        found.append(sent)
    return found


async def begin(
    session: AsyncSession, vault: Vault, handoff_id: UUID, by: Agent, origin: Origin, sent: Sequence[SentFile]
) -> tuple[ContactCipher, list[Enclosure]] | None:
    """To be asked before their contents are put into the store, so that whatever comes of that is removed unless a
    reply takes them along. None where that reply was taken before. Raises as ``entries.write`` does."""
    conversation, handoff = await owning.locked(session, handoff_id)
    if await entries.known(session, handoff, origin, "reply", "note"):
        return None
    await entries.be_heard(session, conversation, handoff, by)
    cipher = await entries.cipher_of(session, vault, handoff)
    # Whoever looks in a thread for one that may have arrived knows it by its name.
    names = types.told_apart([each.name for each in sent], await _just_sent(session, conversation, cipher))
    ready = [Enclosure(new_id(), replace(each, name=name)) for each, name in zip(sent, names, strict=True)]
    for each in ready:
        await keeping.put_down(session, handoff.tenant_id, each.object_id, KEPT_FOR)
    return cipher, ready


async def _just_sent(session: AsyncSession, conversation: Conversation, cipher: ContactCipher) -> list[str]:
    rows = await session.scalars(
        select(Message)
        .where(col(Message.conversation_id) == conversation.id, col(Message.seq) > conversation.last_seq - LATELY)
        .where(col(Message.direction) == "outbound", col(Message.sealed_files).is_not(None))
        .where(col(Message.contact_id) == cipher.contact_id, col(Message.created_at) > utc_now() - RECENTLY)
    )
    return [file.name for row in rows for file in files_of(row, cipher)]


def _be_taken(channel: Channel, sent: SentFile) -> None:
    if not sent.size:
        raise BadInput(f"“{sent.name}” is empty.")
    media = channel.media_for(sent.media_type)
    if media is None:
        raise BadInput(f"“{sent.name}” cannot be sent here: {_instead(channel, sent.media_type)}.")
    if sent.size > media.most_bytes:
        most = media.most_bytes // (1024 * 1024)
        raise BadInput(f"“{sent.name}” cannot be sent here: of such files this channel takes at most {most} MB.")


def _instead(channel: Channel, media_type: str) -> str:
    """What of the same kind the channel takes."""
    kind = kinds.kind_of(bare_type(media_type))
    if kind == "picture" and channel.media_for("image/png"):
        return "this channel takes pictures as JPEG and PNG alone; save it as one of them"
    if kind == "voice" and channel.media_for("audio/mpeg"):
        return "this channel takes recordings as MP3, M4A, OGG, AAC and AMR alone"
    if kind == "film" and channel.media_for("video/mp4"):
        return "this channel takes films as MP4 alone"
    if kind == "document" and channel.media_for("application/pdf"):
        return "this channel takes PDF, Word, Excel, PowerPoint and text; save it as a PDF"
    return "this channel takes no such files"
