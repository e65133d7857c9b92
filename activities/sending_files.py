"""What the tool ``send_file`` does: a document of the business, or a text, is made ready to go out with the answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import conversations
from konstruct.channels import CHANNELS
from konstruct.db import Database
from konstruct.errors import NotFound, ToolFailed
from konstruct.file_ports import FileStore
from konstruct.files import keeping
from konstruct.knowledge import documents
from konstruct.messages import SentFile
from konstruct.tables import ToolCall
from konstruct.tools import sending
from konstruct.tools.calls import Outcome
from konstruct.vault import Vault

TYPES: Final[Mapping[str, str]] = {
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".json": "application/json",
}
"""Of texts, by the ending of their names."""
READY: Final = "“{}” goes out with your answer. Say in a sentence what it is, and do not repeat what is in it."
EITHER: Final = 'Say either which "document" it is, or its "name" and its "text".'
ENDING: Final = "Give it a plain name that ends in .txt, .md, .csv or .json, without a folder."
NO_FILES: Final = "No files can be sent here. Put it into your answer."
NOT_TAKEN: Final = "“{}” cannot be sent here: this channel takes no such files. Say so; a text can go as .txt."
TOO_BIG: Final = "“{}” cannot be sent here: it is longer than this channel takes. Say so."
UNKNOWN: Final = (
    "There is no document “{}” among those that you look through. Take the title of a passage that you found, as it is."
)
SEVERAL: Final = "Several documents are called so. Say which it is, by its name: {}"
PAGE: Final = "“{}” is a page of the web and no file. Give its address instead: {}"


@dataclass(frozen=True)
class _File:
    name: str
    media_type: str
    content: bytes = field(repr=False)


class SendingFiles:
    def __init__(self, database: Database, vault: Vault, store: FileStore | None) -> None:
        self._database = database
        self._vault = vault
        self._store = store

    async def make_ready(self, call: ToolCall, arguments: Mapping[str, JsonValue]) -> Outcome:
        """Raises ToolFailed with a sentence for the model. The same call again leaves one file."""
        document, name, text = (arguments.get(key) for key in ("document", "name", "text"))
        async with self._database.tenant_session(call.tenant_id) as session:
            found = await conversations.whereabouts(session, self._vault, call.conversation_id)
            if isinstance(document, str) and name is None and text is None:
                file = await _document(session, found.employee.knowledge, document)
            elif isinstance(name, str) and isinstance(text, str) and document is None:
                file = _text(name, text)
            else:
                raise ToolFailed(EITHER)
            if self._store is None or not CHANNELS[found.account.kind].media:
                raise ToolFailed(NO_FILES)
            _check(found.account.kind, file)
            cipher = await sending.begin(session, self._vault, call)
        sealed = await asyncio.to_thread(cipher.seal_bytes, keeping.CONTENT, call.id, file.content)
        await self._store.put(keeping.store_key(call.tenant_id, call.id), sealed)
        sent = SentFile(file.name, file.media_type, len(file.content))
        return Outcome("done", READY.format(file.name), sources=[sending.made_ready(sent)])


def _check(kind: str, file: _File) -> None:
    media = CHANNELS[kind].media_for(file.media_type)
    if media is None:
        raise ToolFailed(NOT_TAKEN.format(file.name))
    if len(file.content) > media.most_bytes:
        raise ToolFailed(TOO_BIG.format(file.name))


def _text(name: str, text: str) -> _File:
    name = name.strip()
    media_type = TYPES.get(PurePosixPath(name).suffix.lower())
    if media_type is None or not name.isprintable() or set(name) & set("/\\"):
        raise ToolFailed(ENDING)
    return _File(name, media_type, text.encode("utf-8", "replace"))


async def _document(session: AsyncSession, source_keys: list[str], called: str) -> _File:
    """As it was handed in."""
    found = await documents.called(session, source_keys, called.strip())
    if not found:
        raise ToolFailed(UNKNOWN.format(called.strip()))
    first = found[0]
    if len(found) > 1 and first.name.lower() != called.strip().lower():
        raise ToolFailed(SEVERAL.format(", ".join(each.name for each in found)))
    try:
        content = await documents.content_of(session, first.id)
    except NotFound:
        raise ToolFailed(PAGE.format(first.title, first.link or first.name)) from None
    return _File(first.name, first.media_type or "application/octet-stream", content)
