"""What OpenAI takes of recordings: a form with a file whose name ends in a kind that it knows."""

import base64
from collections.abc import Mapping
from typing import Any

from aiohttp.web import FileField

from tests.support.model_doubles.behaviour import Json

ENDINGS = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
MOST_BYTES = 26_214_400


def as_json(form: Mapping[str, Any]) -> Json:
    """With the content of files in base64."""
    return {
        name: {"name": field.filename, "type": field.content_type, "content": _encoded(field)}
        if isinstance(field, FileField)
        else field
        for name, field in form.items()
    }


def _encoded(field: FileField) -> str:
    return base64.b64encode(field.file.read()).decode()


def refusal(body: Json) -> str | None:
    """What is wrong with it, if anything."""
    file = body.get("file")
    if not body.get("model"):
        return "you must provide a model parameter"
    if not isinstance(file, dict):
        return "Could not parse multipart form: no file"
    if file["name"].rpartition(".")[2] not in ENDINGS:
        return f"Unrecognized file format. Supported formats: {list(ENDINGS)}"
    content = base64.b64decode(file["content"])
    if not content:
        return "Audio file is too short. Minimum audio length is 0.1 seconds."
    return "Maximum content size limit (26214400) exceeded" if len(content) > MOST_BYTES else None
