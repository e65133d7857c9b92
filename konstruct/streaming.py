"""Replies that appear while they are thought: the Protocol, beside ``ports.Messenger``. No implementation here."""

from dataclasses import dataclass
from typing import Literal, Protocol

from konstruct.identity import MessageId
from konstruct.ports import ChannelAccount, Outgoing, Thread


@dataclass(frozen=True)
class StreamedTask:
    """One use of a tool, as people see it. The same id again changes the task that is shown."""

    id: str
    title: str
    """The tool's name and nothing else: arguments and results may be private, or a stranger's words."""
    state: Literal["in_progress", "complete", "error"]


class Streamer(Protocol):
    """What a channel that can stream has beside its messenger. Never retries.

    All text has been made harmless before. Methods raise ChannelError's subclasses and nothing else, among them:

    Raises:
        StreamingUnsupported: only ``begin``; nothing was sent, and the reply is to be sent whole.
        StreamEnded: the message takes no more of a stream; ``replace`` still works.
        SendUncertain: it may have happened. After ``append`` the text may be there or not, so it is not appended again.
    """

    async def begin(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str:
        """Shows ``message.text`` as the beginning; returns the channel's id of the message."""

    async def append(self, account: ChannelAccount, thread: Thread, external_id: str, text: str) -> None: ...

    async def show_task(
        self, account: ChannelAccount, thread: Thread, external_id: str, task: StreamedTask
    ) -> None: ...

    async def end(self, account: ChannelAccount, thread: Thread, external_id: str, message_id: MessageId) -> None:
        """From here on ``Messenger.find`` finds the message: no earlier call of a stream can carry our id."""

    async def replace(self, account: ChannelAccount, thread: Thread, external_id: str, message: Outgoing) -> None:
        """One whole message in the place of one whose stream was cut, which it ends if need be. Again does no harm."""
