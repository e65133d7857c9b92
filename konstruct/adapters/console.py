"""The console channel: whoever runs `konstruct chat` reads the answer from the database itself."""

from konstruct.ports import ChannelAccount, Outgoing, Thread


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
