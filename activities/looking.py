"""Pictures that a model is shown: the last few of a conversation, from the store, opened."""

import asyncio
from typing import Final
from uuid import UUID

import structlog

from konstruct.conversations import Turn
from konstruct.db import Database
from konstruct.errors import NotFound, Unavailable
from konstruct.file_ports import FileStore
from konstruct.files.keeping import CONTENT, store_key
from konstruct.files.showing import Attached
from konstruct.ports import Image
from konstruct.vault import ContactCipher, Vault

MOST_PICTURES: Final = 4
MOST_BYTES: Final = 4_000_000
"""Of all of them together: each is sent anew with every question."""

log = structlog.get_logger(__name__)


class Looking:
    def __init__(self, database: Database, vault: Vault, store: FileStore | None) -> None:
        """``store``: None where no files are fetched."""
        self._database = database
        self._vault = vault
        self._store = store

    async def look(self, tenant_id: UUID, turn: Turn) -> dict[UUID, Image]:
        """By their files. One that cannot be had just now is left out, for an answer without it is better than none."""
        if self._store is None:
            return {}
        wanted = [
            file
            for said in reversed(turn.said)
            for file in reversed(said.files)
            if file.kind == "picture" and file.object_id is not None
        ][:MOST_PICTURES]
        if not wanted:
            return {}
        async with self._database.tenant_session(tenant_id) as session:
            ciphers = await self._vault.ciphers(session, {file.contact_id for file in wanted})
        seen: dict[UUID, Image] = {}
        room = MOST_BYTES
        for file in wanted:
            content = await self._content(self._store, tenant_id, file, ciphers.get(file.contact_id))
            if content is not None and len(content) <= room:
                room -= len(content)
                seen[file.file_id] = Image("image/jpeg", content)
        return seen

    async def _content(
        self, store: FileStore, tenant_id: UUID, file: Attached, cipher: ContactCipher | None
    ) -> bytes | None:
        if cipher is None or file.object_id is None:
            return None
        try:
            sealed = await store.get(store_key(tenant_id, file.object_id))
        except (NotFound, Unavailable) as error:
            log.warning("picture_missing", file_id=str(file.file_id), error=str(error))
            return None
        return await asyncio.to_thread(cipher.open_bytes, CONTENT, file.object_id, sealed)
