"""Pictures of employees: small JPEGs, made by ``adapters.reading`` of what people choose; kept here."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.errors import BadInput, NotFound, Unavailable, Unreadable
from konstruct.file_ports import PictureReader
from konstruct.identity import new_id
from konstruct.tables import EmployeePicture

LONGEST_SIDE: Final = 320
"""Pixels."""
LARGEST_UPLOAD: Final = 5_000_000
"""Bytes."""
_LARGEST: Final = 300_000
_JPEG: Final = b"\xff\xd8\xff"


async def made_small(reader: PictureReader, content: bytes) -> bytes:
    """``reader``: makes pictures of at most ``LONGEST_SIDE``. Raises BadInput for what cannot be looked at."""
    if len(content) > LARGEST_UPLOAD:
        raise BadInput("The picture is larger than 5 MB; choose a smaller one.")
    try:
        return await reader.small(content)
    except Unreadable as error:
        raise BadInput(f"The picture cannot be used: {error}. Choose a JPEG, PNG, WebP or GIF.") from error
    except Unavailable as error:
        raise BadInput("The picture could not be looked at just now; try again.") from error


async def keep(session: AsyncSession, tenant_id: UUID, content: bytes) -> UUID:
    """``content``: as the reader of pictures made it. Raises BadInput for anything else."""
    if not content.startswith(_JPEG) or len(content) > _LARGEST:
        raise BadInput("The picture could not be made small enough; choose another one.")
    picture = EmployeePicture(tenant_id=tenant_id, id=new_id(), content=content)
    session.add(picture)
    await session.flush()
    return picture.id


async def get(session: AsyncSession, tenant_id: UUID, picture_id: UUID) -> bytes:
    """Raises NotFound."""
    found = await session.get(EmployeePicture, (tenant_id, picture_id))
    if found is None:
        raise NotFound("There is no such picture.")
    return found.content
