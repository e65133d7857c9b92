"""What is put around the gateway's app from outside, in its own process."""

import asyncio
from collections.abc import Callable
from typing import Any

import gateway.app

App = Callable[[Any, Any, Any], Any]


def around_the_gateway(wrap: Callable[[App], App]) -> None:
    """What the gateway is built to from now on has this around it."""
    build = gateway.app.build
    vars(gateway.app)["build"] = lambda settings: wrap(build(settings))


def is_post(scope: Any) -> bool:
    return bool(scope["type"] == "http" and scope["method"] == "POST")


async def read(receive: Any) -> bytes:
    """The whole body of a request."""
    body = b""
    while True:
        message: dict[str, Any] = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def given(body: bytes) -> Any:
    """From which an app reads that body."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return waiting.pop() if waiting else await asyncio.Event().wait()

    return receive
