"""A worker that thinks again of what it is just answering, since it does not know that it is."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import conversations
from konstruct.cli import main

begin_turn = conversations.begin_turn


async def forgetful(session: AsyncSession, vault: Any, conversation_id: UUID, *arguments: Any, **options: Any) -> Any:
    (await conversations.lock(session, conversation_id)).turn_id = None
    return await begin_turn(session, vault, conversation_id, *arguments, **options)


if __name__ == "__main__":
    conversations.begin_turn = forgetful
    main()
