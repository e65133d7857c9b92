"""A gateway that answers 200 to what it refuses: nobody sends that again, though it was a contact's word."""

import sys
from typing import Any

from tests.faults.asgi import App, around_the_gateway
from tests.faults.wrapping import go_on


def answering_refusals(app: App) -> App:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def send_kindly(message: Any) -> None:
            is_refusal = message["type"] == "http.response.start" and message["status"] == 401
            await send({**message, "status": 200} if is_refusal else message)

        await app(scope, receive, send_kindly)

    return answer


if __name__ == "__main__":
    around_the_gateway(answering_refusals)
    go_on(("konstruct", *sys.argv[1:]))
