"""Answers that a browser saves, made while they go out."""

from collections.abc import AsyncIterator
from uuid import UUID

from starlette.responses import StreamingResponse

from konstruct import handing_out


def download(tenant_id: UUID, pieces: AsyncIterator[str], name: str, media_type: str) -> StreamingResponse:
    """Raises TooMany where several are being made."""
    headers = {"content-disposition": f'attachment; filename="{name}"', "x-accel-buffering": "no"}
    return StreamingResponse(handing_out.begun(tenant_id, pieces), headers=headers, media_type=media_type)
