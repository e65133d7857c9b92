"""What a channel knows of a conversation that we may have forgotten, as the core sees it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from konstruct.ports import ChannelAccount, Thread


@dataclass(frozen=True)
class Answered:
    """An answer as it stands in a channel."""

    message_id: UUID
    """Ours."""
    external_id: str
    text: str = field(repr=False)
    at: datetime


class Witness(Protocol):
    """A channel that still knows what was said there, whatever we have forgotten."""

    async def answers_since(
        self, account: ChannelAccount, thread: Thread, since: datetime, known: Collection[UUID]
    ) -> list[Answered]:
        """Those that stand in the thread since then, in their order, but for those whose ids are known.

        Raises ChannelError when it cannot be said.
        """
