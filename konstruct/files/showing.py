"""What an employee is shown of files: what is said in them, what is written in them, or why there is nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.db import among
from konstruct.files.keeping import TEXT
from konstruct.files.kinds import Kind, kind_of
from konstruct.messages import opened_files
from konstruct.tables import File, Message
from konstruct.vault import ContactCipher


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

    @property
    def transcript(self) -> str:
        return self.text if self.kind == "voice" else ""


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
            name = opened_files(cipher, file.message_id, sealed)[file.position].name
            found.setdefault(file.message_id, []).append(_attached(file, name, cipher))
    return found


def _attached(file: File, name: str, cipher: ContactCipher) -> Attached:
    has_text = file.sealed_text is not None and file.object_id is not None
    return Attached(
        file.id,
        file.contact_id,
        name,
        file.state,
        kind_of(file.media_type or ""),
        file.object_id,
        cipher.open(TEXT, file.object_id, file.sealed_text) if has_text else "",  # type: ignore[arg-type] # Both are.
        file.error or "",
    )


def with_transcripts(text: str, files: Sequence[Attached]) -> str:
    """What somebody said by voice, as if they had written it."""
    said = [f"[Voice message, as it was understood:] {file.transcript}" for file in files if file.transcript]
    return "\n".join([text, *said])
