"""Replies that appear while they are thought: the Protocol, beside ``ports.Messenger``. No implementation here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, Protocol

from konstruct.identity import MessageId
from konstruct.ports import ChannelAccount, Outgoing, Thread


@dataclass(frozen=True)
class StreamedTask:
    """One use of a tool, as people see it. The same id again changes the task that is shown."""

    id: str
    title: str
    """The tool's name and nothing else: arguments and results may be private, or a stranger's words."""
    state: Literal["in_progress", "complete", "error"]


class LiveText(Protocol):
    """One message of a channel while its text is written: what of it may be shown by now, made harmless."""

    @property
    def is_full(self) -> bool:
        """The message takes no more of it."""

    def feed(self, piece: str) -> str:
        """What is to be appended to what was given before; often nothing."""

    def finish(self) -> str:
        """The rest."""


class Streamer(Protocol):
    """What a channel that can stream has beside its messenger. Never retries.

    All text has been made harmless before. Methods raise ChannelError's subclasses and nothing else, among them:

    Raises:
        StreamingUnsupported: only ``begin``; nothing was sent, and the reply is to be sent whole.
        StreamEnded: the message takes no more of a stream; ``replace`` still works.
        SendUncertain: it may have happened. After ``append`` the text may be there or not, so it is not appended again.
    """

    def text(self) -> LiveText: ...

    async def begin(
        self, account: ChannelAccount, thread: Thread, message: Outgoing, tasks: Sequence[StreamedTask] = ()
    ) -> str:
        """Shows tasks and ``message.text``, one of which may be empty; returns the channel's id of the message."""

    async def find_begun(
        self, account: ChannelAccount, thread: Thread, since: datetime, known: Collection[str]
    ) -> str | None:
        """The channel's id of a message that was begun and did not come to its end, but for those that are known."""

    async def append(self, account: ChannelAccount, thread: Thread, external_id: str, text: str) -> None: ...

    async def show_task(
        self, account: ChannelAccount, thread: Thread, external_id: str, task: StreamedTask
    ) -> None: ...

    async def end(self, account: ChannelAccount, thread: Thread, external_id: str, message_id: MessageId) -> None:
        """From here on ``Messenger.find`` finds the message: no earlier call of a stream can carry our id."""

    async def replace(self, account: ChannelAccount, thread: Thread, external_id: str, message: Outgoing) -> None:
        """One whole message in the place of one whose stream was cut, which it ends if need be. Again does no harm."""


NO_STREAMERS: Final[Mapping[str, Streamer]] = MappingProxyType({})
"""Of a deployment whose channels all get their replies whole."""
