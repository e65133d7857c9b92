"""What a turn recalls of its asker. No reply waits for what cannot be recalled."""

from typing import Final

import structlog

from activities.locating import Locator
from konstruct import memory
from konstruct.contracts.conversation import ThinkRequest
from konstruct.conversations import Turn
from konstruct.db import Database
from konstruct.errors import Unavailable
from konstruct.memory import Question, Recalled
from konstruct.vault import Vault

LONGEST_QUESTION: Final = 4_000
"""Characters of a question that memory and knowledge are searched with."""

log = structlog.get_logger(__name__)


class Recalling:
    def __init__(self, database: Database, vault: Vault, locator: Locator) -> None:
        self._database = database
        self._vault = vault
        self._locator = locator

    async def recall(self, request: ThinkRequest, turn: Turn) -> list[Recalled]:
        """What is remembered of the asker that bears on this; nothing when that fails, since a reply is worth more."""
        try:
            return await self._recalled(request, turn) if turn.can_recall else []
        except Unavailable:
            raise
        except Exception:
            # Not what went wrong, in which there may be what somebody said.
            log.error("recall_failed", conversation_id=str(request.conversation_id))
            return []

    async def _recalled(self, request: ThinkRequest, turn: Turn) -> list[Recalled]:
        """By words alone when no embedder answers in time."""
        if turn.asker is None:
            return []
        asked = turn.asked[:LONGEST_QUESTION]
        async with self._database.tenant_session(request.tenant_id) as session:
            names = await memory.known_models(session, request.tenant_id, turn.asker)
        question = Question(
            contact_id=turn.asker,
            text=asked,
            vectors=await self._locator.locate(asked, names),
            conversation_id=request.conversation_id,
            after_seq=turn.after_seq,
        )
        async with self._database.tenant_session(request.tenant_id) as session:
            return await memory.recall(session, self._vault, request.tenant_id, question)
