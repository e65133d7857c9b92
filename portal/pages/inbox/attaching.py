"""Files that come with a form of the inbox, on their way to the contact."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from fastapi import Request
from starlette.datastructures import UploadFile

from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.handoffs.enclosing import MOST, MOST_BYTES, Enclosing, Upload
from konstruct.handoffs.entries import Enclosure, Origin
from konstruct.handoffs.owning import Agent
from portal.access import Member
from portal.services import services

_pictures: Final = SubprocessPictures(at_once=1)


async def made_ready(
    request: Request, member: Member, handoff_id: UUID, agent: Agent, files: Sequence[UploadFile], origin: Origin
) -> list[Enclosure]:
    """For ``entries.write``, in a transaction that begins after this. Raises as ``Enclosing.make_ready`` does."""
    used = services(request)
    # A form in which nothing was chosen has a file without a name.
    chosen = [file for file in files if file.filename]
    uploads: list[Upload] = []
    left = MOST_BYTES + 1
    for file in chosen[: MOST + 1]:
        # What is too much is not read to its end, and is refused all the same.
        content = await file.read(left)
        left = max(1, left - len(content))
        uploads.append(Upload(file.filename or "", file.content_type or "", content))
    enclosing = Enclosing(used.database, used.vault, used.file_store, _pictures)
    return await enclosing.make_ready(member.tenant_id, handoff_id, agent, uploads, origin)
