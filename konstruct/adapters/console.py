"""The channel of the console and of rehearsals: whoever talks there reads the answer from the database itself."""

from typing import NoReturn

from konstruct.errors import ChannelRefused
from konstruct.ports import ApprovalCard, ChannelAccount, Outgoing, Thread


class ConsoleMessenger:
    def split(self, text: str) -> list[str]:
        return [text]

    async def send(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str:
        return str(message.message_id)

    async def find(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str | None:
        return str(message.message_id)

    async def show_thinking(self, account: ChannelAccount, thread: Thread) -> None:
        return None

    async def show_idle(self, account: ChannelAccount, thread: Thread) -> None:
        return None

    async def show_approval(self, account: ChannelAccount, channel: str, card: ApprovalCard) -> NoReturn:
        raise ChannelRefused("The console shows no approvals: decide over the REST API.", "not_supported")

    async def renew_approval(
        self, account: ChannelAccount, channel: str, external_id: str, card: ApprovalCard
    ) -> NoReturn:
        await self.show_approval(account, channel, card)
