"""Routes of files that contacts sent and were sent."""

import asyncio
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Response

from gateway.api.access import Access
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.file_ports import FileStore
from konstruct.files import showing, types
from konstruct.vault import Vault


def router(access: Access, database: Database, vault: Vault, store: FileStore) -> APIRouter:
    routes = APIRouter(prefix="/files", tags=["files"])

    @routes.get(
        "/{file_id}",
        response_class=Response,
        responses={200: {"content": {"*/*": {}}, "description": "The content."}},
    )
    async def show(
        caller: Annotated[Principal, access.needs("conversations:read", "handoffs:read")], file_id: UUID
    ) -> Response:
        """The file's content. Its type is what was found in it, whatever it was said to be."""
        async with database.tenant_session(caller.tenant_id) as session:
            found = await showing.kept(session, vault, file_id)
        sealed = await store.get(found.store_key)
        content = await asyncio.to_thread(found.opened, sealed)
        name = quote(types.clean_name(found.name, found.media_type), safe="")
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return Response(content, media_type=found.media_type, headers=headers)

    return routes
