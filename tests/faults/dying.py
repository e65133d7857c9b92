"""A worker that ends, or fails, at what people say or are told: ``python -m tests.faults.dying FOLDER MODULE``.

What it tried and where it died is put down in the folder, since it does not live to tell.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import activities.streaming
from konstruct import prompting
from konstruct.adapters.slack import SlackMessenger
from konstruct.ports import ChannelAccount, Outgoing, Thread
from tests.faults.history import MARK
from tests.faults.people import answer
from tests.faults.wrapping import go_on
from tests.support.model_doubles import Json
from tests.support.model_doubles.behaviour import content_text

RAISES: Final = "what-raises"
KILLS: Final = "what-kills"
BEFORE: Final = "dies-before-it-is-sent"
AFTER: Final = "dies-after-it-was-sent"


def dying(folder: Path, command: tuple[str, ...]) -> tuple[str, ...]:
    """The command with such words, as ``Deployment.add_worker`` takes it."""
    return ("tests.faults.dying", str(folder), *command)


def tries(folder: Path) -> list[str]:
    """The marks of what it choked on, one for each time."""
    file = folder / "tries"
    return file.read_text().split() if file.exists() else []


def deaths(folder: Path, point: str) -> int:
    return len(list(folder.glob(f"{point}-*")))


def pointed(messages: list[Json]) -> str:
    """What the pretended models answer: it says at which point the worker is to die of it."""
    asked = " ".join(content_text(each.get("content")) for each in messages[-1:])
    return " ".join([answer(messages), *(point for point in (BEFORE, AFTER) if point in asked)])


def _choking(folder: Path, prompt: Callable[..., Any]) -> Callable[..., Any]:
    def prompted(turn: Any, *arguments: Any, **options: Any) -> Any:
        if RAISES in turn.asked or KILLS in turn.asked:
            with (folder / "tries").open("a") as file:
                file.write(MARK.findall(turn.asked)[-1] + "\n")
            if KILLS in turn.asked:
                _die()
            raise ZeroDivisionError(RAISES)
        return prompt(turn, *arguments, **options)

    return prompted


def _sending(folder: Path, send: Callable[..., Any]) -> Callable[..., Any]:
    async def sent(messenger: SlackMessenger, account: ChannelAccount, thread: Thread, message: Outgoing) -> str:
        if BEFORE in message.text:
            _die_once(folder / f"{BEFORE}-{message.message_id}")
        external_id: str = await send(messenger, account, thread, message)
        if AFTER in message.text:
            _die_once(folder / f"{AFTER}-{message.message_id}")
        return external_id

    return sent


def _die_once(file: Path) -> None:
    try:
        file.touch(exist_ok=False)
    except FileExistsError:
        return
    _die()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("It lives.")


if __name__ == "__main__":
    _folder = Path(sys.argv[1])
    prompting.prompt = _choking(_folder, prompting.prompt)
    SlackMessenger.send = _sending(_folder, SlackMessenger.send)  # type: ignore[method-assign]
    # An answer that was begun to be shown would not be sent, but made whole where it stands.
    activities.streaming.BEGINS_AFTER_SECONDS = 3600.0  # type: ignore[misc]
    go_on(sys.argv[2:])
