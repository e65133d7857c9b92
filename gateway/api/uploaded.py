"""Bodies with files in them, as forms of web pages have them: bounded as a whole, the files in their order."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, TypeVar

from fastapi import HTTPException, Request
from pydantic import ValidationError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from gateway import bodies
from gateway.api import shapes
from gateway.api.shapes import Given
from konstruct.errors import BadInput
from konstruct.handoffs.enclosing import MOST, MOST_BYTES, Upload

SECONDS: Final = 300.0
"""For all of it to come in."""
_AROUND: Final = 1_000_000
"""Bytes for whatever is no file."""

T = TypeVar("T", bound=Given)


async def read(request: Request, of: type[T]) -> tuple[T, list[Upload]]:
    """The fields, and all files, which are called ``files``. Raises BadInput, and HTTPException as ``bodies.read``."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadInput("Send this as multipart/form-data, each file as a part that is called files.")
    whole = await bodies.read(request, most_bytes=MOST_BYTES + _AROUND, time_limit=SECONDS)
    fields, uploads = await _parsed(request.headers, whole)
    if not uploads:
        raise BadInput("There is no file in it: send each as a part that is called files.")
    try:
        return of.model_validate(fields), uploads
    except ValidationError as error:
        raise BadInput(shapes.sentence(error.errors(include_url=False, include_input=False))) from None


def takes(fields: Mapping[str, str]) -> dict[str, Any]:
    """The body in the API's description. ``fields``: what is text, and what it is for."""
    properties: dict[str, Any] = {name: {"type": "string", "description": says} for name, says in fields.items()}
    properties["files"] = {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "maxItems": MOST,
        "description": f"At most {MOST}, of {MOST_BYTES // 1_000_000} MB together.",
    }
    schema = {"type": "object", "properties": properties, "required": ["agent", "files"]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


async def _parsed(headers: Headers, whole: bytes) -> tuple[dict[str, str], list[Upload]]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield whole

    parser = MultiPartParser(headers, pieces(), max_files=MOST + 1, max_fields=20, max_part_size=_AROUND)
    fields: dict[str, str] = {}
    uploads: list[Upload] = []
    try:
        form = await parser.parse()
    except (MultiPartException, HTTPException, ValueError, KeyError) as error:
        raise BadInput("The body is no multipart/form-data that can be read, or has too many parts.") from error
    try:
        for name, part in form.multi_items():
            if not isinstance(part, UploadFile):
                fields[name] = part
            elif name == "files":
                uploads.append(Upload(part.filename or "", part.content_type or "", await part.read()))
            else:
                raise BadInput("A file is to be a part that is called files.")
    finally:
        await form.close()
    if any("\0" in text for text in fields.values()):
        raise BadInput("The body holds a NUL character.")
    return fields, uploads
