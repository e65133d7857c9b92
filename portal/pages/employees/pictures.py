"""Pictures of employees: taken in through a child process that makes them small, and shown to members alone."""

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.designs import pictures
from konstruct.errors import BadInput, Unavailable, Unreadable
from konstruct.ports import Limit
from portal import pacing
from portal.access import Member, may
from portal.services import services

router = APIRouter()

_MOST_UPLOADS: Final = Limit(30, timedelta(hours=1))
"""None is ever removed, since versions name them."""
_reader: Final = SubprocessPictures(at_once=1, longest_side=pictures.LONGEST_SIDE)


@router.get("/t/{tenant}/employee-pictures/{picture_id}")
async def show(
    request: Request, picture_id: UUID, member: Annotated[Member, Depends(may("employees.read"))]
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        content = await pictures.find(session, member.tenant_id, picture_id)
    # Its id never means another one.
    headers = {"cache-control": "private, max-age=31536000, immutable", "content-disposition": "inline"}
    return Response(content, media_type="image/jpeg", headers=headers)


async def taken(request: Request, member: Member, form: FormData) -> str | None:
    """The id of the picture that was chosen in a form; None where none was.

    Raises BadInput for what is no picture that can be looked at.
    """
    upload = form.get("upload")
    if not isinstance(upload, UploadFile) or not upload.filename:
        return None
    await pacing.count(request, member, "pictures", _MOST_UPLOADS, "Pictures were chosen very often just now.")
    content = await upload.read(pictures.LARGEST_UPLOAD + 1)
    if len(content) > pictures.LARGEST_UPLOAD:
        raise BadInput("The picture is larger than 5 MB; choose a smaller one.")
    try:
        small = await _reader.small(content)
    except Unreadable as error:
        raise BadInput(f"The picture cannot be used: {error}. Choose a JPEG, PNG, WebP or GIF.") from error
    except Unavailable as error:
        raise BadInput("The picture could not be looked at just now; try again.") from error
    async with services(request).database.tenant_session(member.tenant_id) as session:
        return str(await pictures.keep(session, member.tenant_id, small))
