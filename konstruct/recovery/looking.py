"""What a channel says of a conversation of which we have an older copy: what got there, and what was answered."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from konstruct.channels import CHANNELS
from konstruct.errors import ChannelError, ChannelRateLimited
from konstruct.outgoing import Send
from konstruct.ports import ChannelAccount, Messenger, Thread
from konstruct.recovery_ports import Answered, Witness

log = structlog.get_logger(__name__)

TRIES: Final = 5
LONGEST_PAUSE: Final = timedelta(seconds=90)
"""Between two of them, where a channel wants to be asked less often."""


@dataclass(frozen=True)
class Seen:
    is_certain: bool
    """Whether the channel said so: otherwise anything may have happened."""
    arrived: Mapping[UUID, str] = field(default_factory=dict)
    """By our ids of messages, the channel's."""
    answers: Sequence[Answered] = ()
    """Those that we know nothing of: they were given later."""


@dataclass(frozen=True)
class Look:
    messengers: Mapping[str, Messenger]
    witnesses: Mapping[str, Witness]
    """By a connection's kind; of others nobody can say what was answered."""

    async def look(
        self, account: ChannelAccount, thread: Thread, sends: Sequence[Send], since: datetime, known: Collection[UUID]
    ) -> Seen:
        """``sends``: what may have been sent; ``known``: all that we know to have sent or to have wanted to."""
        witness = self.witnesses.get(account.kind)
        if not CHANNELS[account.kind].can_be_asked or not account.is_active:
            return Seen(is_certain=False)
        for left in reversed(range(TRIES)):
            try:
                arrived = await self._arrived(account, thread, sends)
                answers = await witness.answers_since(account, thread, since, known) if witness else ()
            except ChannelRateLimited as error:
                if left:
                    await asyncio.sleep(min(error.retry_after, LONGEST_PAUSE).total_seconds())
            except ChannelError as error:
                log.warning("restoration.channel_cannot_be_asked", channel=account.kind, error=str(error))
                break
            else:
                return Seen(is_certain=True, arrived=arrived, answers=answers)
        return Seen(is_certain=False)

    async def _arrived(self, account: ChannelAccount, thread: Thread, sends: Sequence[Send]) -> dict[UUID, str]:
        found = {}
        for send in sends:
            external_id = await self.messengers[account.kind].find(account, thread, send.message)
            if external_id is not None:
                found[UUID(str(send.message.message_id))] = external_id
        return found
