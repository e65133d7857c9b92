"""A gateway that dies at the point that a word names: ``python -m tests.faults.stopping MODULE gateway``.

A word in which stands "Fall before_commit" kills the gateway that it comes to first, there; when it comes again, it is
taken like any other. So each fall is one that a test asked for, and the product needs to know nothing of it.
"""

import asyncio
import hashlib
import os
import re
import signal
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, get_args
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.orm import Session
from temporalio.client import Client

from konstruct import temporal
from konstruct.errors import Unavailable
from konstruct.tables import Message
from tests.faults.asgi import App, around_the_gateway, given, is_post, read
from tests.faults.wrapping import go_on

Point = Literal["before_commit", "after_commit", "after_telling", "after_answer"]
"""The message is written and not committed; or it is committed, and nobody was told; or its workflow was told, and the
channel was not answered; or the channel was answered, and the workflow could not be told."""

POINTS: Final[tuple[Point, ...]] = get_args(Point)
_NAMED: Final = re.compile(rb"Fall ([a-z_]+)")
_ANSWER_IS_OUT: Final = 0.1
"""Seconds after which what was written to a socket has left the process."""

_falling_at: ContextVar[str] = ContextVar("falling_at", default="")


def falling(point: Point) -> str:
    """What a word has to say."""
    return f"Fall {point}"


def stopping(app: App) -> App:
    fallen = Path(os.environ["KONSTRUCT_DATA_DIR"]) / "fallen"
    fallen.mkdir(exist_ok=True)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if not is_post(scope):
            await app(scope, receive, send)
            return
        body = await read(receive)
        _falling_at.set(_point_of(body, fallen))

        async def send_and_fall(message: Any) -> None:
            if _falling_at.get() == "after_telling":
                _fall()
            await send(message)
            if _falling_at.get() == "after_answer" and message["type"] == "http.response.body":
                await asyncio.sleep(_ANSWER_IS_OUT)
                _fall()

        await app(scope, given(body), send_and_fall)

    return serve


def _point_of(body: bytes, fallen: Path) -> str:
    """Where to fall: nowhere for what comes again, which outlasts the process in a file of its own."""
    named = _NAMED.search(body)
    if named is None:
        return ""
    try:
        (fallen / hashlib.sha256(body).hexdigest()).touch(exist_ok=False)
    except FileExistsError:
        return ""
    return named[1].decode()


def _fall() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("Nobody outlives that.")


def _note_message(session: Session, _: object) -> None:
    if any(isinstance(each, Message) and each.direction == "inbound" for each in session.new):
        session.info["took a message"] = True


def _fall_before(session: Session) -> None:
    if _falling_at.get() == "before_commit":
        session.flush()
        if "took a message" in session.info:
            _fall()


def _fall_after(session: Session) -> None:
    if _falling_at.get() == "after_commit" and "took a message" in session.info:
        _fall()


_tell = temporal.tell


async def _tell_or_not(client: Client, tenant_id: UUID, conversation_id: UUID, signal: str, content: object) -> None:
    if _falling_at.get() == "after_answer":
        raise Unavailable("Temporal does not answer.")
    await _tell(client, tenant_id, conversation_id, signal, content)


if __name__ == "__main__":
    event.listen(Session, "after_flush", _note_message)
    event.listen(Session, "before_commit", _fall_before)
    event.listen(Session, "after_commit", _fall_after)
    temporal.tell = _tell_or_not
    around_the_gateway(stopping)
    go_on(sys.argv[1:])
