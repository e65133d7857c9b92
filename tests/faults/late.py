"""A worker that is slow to begin: ``python -m tests.faults.late FOLDER MODULE``.

The first turn of each conversation stands still before it claims anything, and does not hear that it was cut off, until
the answer of the next one is on its way. What it is at is put down in the folder.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

import activities.streaming
from activities.begun import Begun
from activities.thinking import Thinking
from activities.trying import Attempt
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.tables import Message
from tests.faults.wrapping import go_on

LOOK_AGAIN_AFTER: Final = 0.02

begin = Thinking._begin


def late(folder: Path, command: tuple[str, ...]) -> tuple[str, ...]:
    """The command with such a beginning, as ``Deployment.add_worker`` takes it."""
    return ("tests.faults.late", str(folder), *command)


def stands_still(folder: Path, conversation_id: UUID | str) -> Path:
    return folder / f"still-{conversation_id}"


def has_begun(folder: Path, conversation_id: UUID | str) -> Path:
    return folder / f"begun-{conversation_id}"


async def _is_sending(thinking: Thinking, request: ThinkRequest) -> None:
    of_conversation = col(Message.conversation_id) == request.conversation_id
    found = None
    while found is None:
        await asyncio.sleep(LOOK_AGAIN_AFTER)
        async with thinking._database.tenant_session(request.tenant_id) as session:
            found = await session.scalar(select(Message.id).where(of_conversation, col(Message.state) == "sending"))


def _beginning(folder: Path) -> Callable[..., Any]:
    async def begun(thinking: Thinking, request: ThinkRequest, attempt: Attempt) -> Begun | Thought:
        try:
            stands_still(folder, request.conversation_id).touch(exist_ok=False)
        except FileExistsError:
            return await begin(thinking, request, attempt)
        sending = asyncio.create_task(_is_sending(thinking, request))
        while not sending.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(sending)
        beginning = await begin(thinking, request, attempt)
        has_begun(folder, request.conversation_id).touch()
        return beginning

    return begun


if __name__ == "__main__":
    Thinking._begin = _beginning(Path(sys.argv[1]))  # type: ignore[method-assign]
    # What is sent whole is held on its way, and an answer that is shown before is not.
    activities.streaming.BEGINS_AFTER_SECONDS = 3600.0  # type: ignore[misc]
    go_on(sys.argv[2:])
