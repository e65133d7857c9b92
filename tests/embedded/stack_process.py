"""A stack in a process of its own, which a test may kill: prints its sentences, then `up`, and runs until SIGTERM."""

import asyncio
import signal
import sys

from konstruct.embedded import loopback
from konstruct.embedded.stack import running_stack
from konstruct.errors import KonstructError
from konstruct.settings import Settings
from tests.support.ports import own_candidates


def say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


async def main() -> None:
    loopback.candidates = own_candidates()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with running_stack(Settings(), say):
        say("up")
        await stopped.wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KonstructError as error:
        say(str(error))
        raise SystemExit(1) from None
