"""What an employee and people are shown of files: what is said or written in them, what they are, or why there is
nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from mimetypes import guess_extension
from typing import Final
from uuid import UUID

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.db import among
from konstruct.errors import NotFound
from konstruct.files.keeping import CONTENT, NOT_IN_TIME, TEXT, store_key
from konstruct.files.kinds import Kind, kind_of
from konstruct.messages import SentFile, opened_files
from konstruct.tables import File, Message
from konstruct.vault import ContactCipher, Vault

_CALLED: Final = {"OGA": "OGG", "JPE": "JPG"}
"""As people know them."""
GONE: Final = "There is no such file here. It goes with its message, and with the contact whose it is."


@dataclass(frozen=True)
class Attached:
    """A file of a message, as far as it is known."""

    file_id: UUID
    contact_id: UUID
    name: str = field(repr=False)
    state: str
    kind: Kind
    object_id: UUID | None = None
    text: str = field(default="", repr=False)
    """Of a document, or said in a recording."""
    error: str = ""
    position: int = 0
    """Among the files of its message."""
    media_type: str = ""
    """As its sender says."""
    size: int = 0
    """Bytes, as its sender says, or as they were found to be."""

    @property
    def transcript(self) -> str:
        return self.text if self.kind == "voice" else ""

    @property
    def about(self) -> str:
        """What it is and how large, in a few letters: ``PDF, 240 kB``."""
        ending = (guess_extension(self.media_type.partition(";")[0].strip()) or "").removeprefix(".").upper()
        return ", ".join(filter(None, [_CALLED.get(ending, ending), _size(self.size)]))

    @property
    def reason(self) -> str:
        """Why it could not be opened, where it could not."""
        return (self.error or NOT_IN_TIME).rstrip(".") if self.state in ("refused", "failed") else ""


@dataclass(frozen=True)
class Kept:
    """A file that can be had from the store."""

    file_id: UUID
    store_key: str
    name: str = field(repr=False)
    media_type: str
    """By its content."""
    size: int
    _object_id: UUID
    _cipher: ContactCipher = field(repr=False)

    def opened(self, sealed: bytes) -> bytes:
        return self._cipher.open_bytes(CONTENT, self._object_id, sealed)


async def kept(session: AsyncSession, vault: Vault, file_id: UUID) -> Kept:
    """Raises NotFound where there is none, or it is not here, with a sentence that says why."""
    row = (
        await session.execute(
            select(File, col(Message.sealed_files))
            .join(Message, and_(col(Message.tenant_id) == col(File.tenant_id), col(Message.id) == col(File.message_id)))
            .where(col(File.id) == file_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(GONE)
    file, sealed = row
    cipher = (await vault.ciphers(session, [file.contact_id])).get(file.contact_id)
    if cipher is None or sealed is None:
        raise NotFound(GONE)
    sent = opened_files(cipher, file.message_id, sealed)[file.position]
    if file.state == "waiting":
        raise NotFound("This file is still on its way here. Try again in a moment.")
    if file.state != "kept" or file.object_id is None:
        raise NotFound(f"This file could not be opened: {(file.error or NOT_IN_TIME).rstrip('.')}.")
    media_type = file.media_type or "application/octet-stream"
    key = store_key(file.tenant_id, file.object_id)
    return Kept(file.id, key, sent.name, media_type, file.size or sent.size, file.object_id, cipher)


async def attached(
    session: AsyncSession, ciphers: Mapping[UUID, ContactCipher], message_ids: Collection[UUID]
) -> dict[UUID, list[Attached]]:
    """By message, in their order. Of contacts without a cipher, who are erased, there are none."""
    rows = await session.execute(
        select(File, col(Message.sealed_files))
        .join(Message, and_(col(Message.tenant_id) == col(File.tenant_id), col(Message.id) == col(File.message_id)))
        .where(among(col(File.message_id), message_ids), col(Message.sealed_files).is_not(None))
        .order_by(col(File.message_id), col(File.position))
    )
    found: dict[UUID, list[Attached]] = {}
    for file, sealed in rows:
        if (cipher := ciphers.get(file.contact_id)) is not None and sealed is not None:
            sent = opened_files(cipher, file.message_id, sealed)[file.position]
            found.setdefault(file.message_id, []).append(_attached(file, sent, cipher))
    return found


def _attached(file: File, sent: SentFile, cipher: ContactCipher) -> Attached:
    has_text = file.sealed_text is not None and file.object_id is not None
    return Attached(
        file.id,
        file.contact_id,
        sent.name,
        file.state,
        kind_of(file.media_type or ""),
        file.object_id,
        cipher.open(TEXT, file.object_id, file.sealed_text) if has_text else "",  # type: ignore[arg-type] # Both are.
        file.error or "",
        file.position,
        sent.media_type,
        sent.size or file.size or 0,
    )


def with_transcripts(text: str, files: Sequence[Attached]) -> str:
    """What somebody said by voice, as if they had written it."""
    said = [f"[Voice message, as it was understood:] {file.transcript}" for file in files if file.transcript]
    return "\n".join([text, *said])


def for_people(text: str, files: Sequence[Attached]) -> str:
    """What somebody said by voice, and what else came along, for people who see no files."""
    return "\n".join([with_transcripts(text, files), *(_described(file) for file in files if not file.transcript)])


def _described(file: Attached) -> str:
    if file.reason:
        return f"[The file {file.name} could not be opened: {file.reason}.]"
    return f"[File: {', '.join(filter(None, [file.name, file.about]))}]"


def _size(size: int) -> str:
    if size < 1_000:
        return f"{size} bytes" if size else ""
    return f"{size / 1_000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
