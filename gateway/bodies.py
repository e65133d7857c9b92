"""Request bodies as strangers send them: bounded in size and time, and JSON that the rest can rely on."""

import asyncio
import json
from typing import Any, Final, NoReturn

from fastapi import HTTPException, Request

from konstruct.errors import BadInput

MAX_BYTES: Final = 1_000_000
READ_SECONDS: Final = 10.0
MAX_DEPTH: Final = 32

Json = dict[str, Any]


async def read(request: Request, *, most_bytes: int = MAX_BYTES, time_limit: float = READ_SECONDS) -> bytes:
    """Raises HTTPException: 413 for too large a body, 408 for one that dribbles in."""
    too_large = HTTPException(413, f"The body is over {most_bytes} bytes.")
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > most_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(time_limit):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    raise too_large
    except TimeoutError as error:
        raise HTTPException(408, "The body did not come in time.") from error
    return bytes(body)


def parse_json(raw: bytes) -> Json:
    """Raises BadInput for what Python would accept but Postgres, or a reader of ours, would not."""
    try:
        document = json.loads(raw.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput("The body is not JSON.") from error
    if not isinstance(document, dict):
        raise BadInput("The body is not a JSON object.")
    _check(document, depth=1)
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check(value: object, depth: int) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise BadInput("The body holds a NUL character.")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadInput("The body holds half a surrogate pair.") from error
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise BadInput(f"The body is nested more than {MAX_DEPTH} deep.")
        for part in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(part, depth + 1)
