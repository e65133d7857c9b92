"""A worker that refuses to answer what seems old by its own clock, which may be wrong."""

import sys
import time
from typing import Any

from konstruct.adapters.slack import SlackMessenger
from konstruct.errors import ChannelRefused
from konstruct.ports import ChannelAccount, Outgoing, Thread
from tests.faults.wrapping import go_on

send = SlackMessenger.send
MOST_SECONDS = 600.0


async def if_it_is_new(self: Any, account: ChannelAccount, thread: Thread, message: Outgoing) -> str:
    if time.time() - float(thread.root or 0) > MOST_SECONDS:
        raise ChannelRefused("This is over.", "too_old")
    return await send(self, account, thread, message)


if __name__ == "__main__":
    SlackMessenger.send = if_it_is_new  # type: ignore[method-assign]
    go_on(sys.argv[1:])
