"""Pictures of employees: taken in through a child process that makes them small, and shown to members alone."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.designs import pictures
from konstruct.pacing import PICTURES
from portal import pacing
from portal.access import Member, may
from portal.services import services

router = APIRouter()

_reader: Final = SubprocessPictures(at_once=1, longest_side=pictures.LONGEST_SIDE)


@router.get("/t/{tenant}/employee-pictures/{picture_id}")
async def show(
    request: Request, picture_id: UUID, member: Annotated[Member, Depends(may("employees.read"))]
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        content = await pictures.get(session, member.tenant_id, picture_id)
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
    await pacing.keep(request, member, PICTURES)
    small = await pictures.made_small(_reader, await upload.read(pictures.LARGEST_UPLOAD + 1))
    async with services(request).database.tenant_session(member.tenant_id) as session:
        return str(await pictures.keep(session, member.tenant_id, small))
