"""The doubles as a process of their own, for benchmarks: ``python -m tests.support.model_doubles --port 4302``.

The first line of output says, as JSON, where they are; ``GET /double/calls`` lists what they were asked.
"""

import argparse
import asyncio
import json
import sys
from typing import get_args

from aiohttp import web

from tests.support.http import until_stopped
from tests.support.model_doubles import Behaviour, Fault, ModelDoubles, Provider, echo


def control(models: ModelDoubles) -> list[web.RouteDef]:
    async def calls(request: web.Request) -> web.Response:
        """Calls from number ?start= on, without keys and messages."""
        found = models.calls[int(request.query.get("start", 0)) :]
        shown = [{"provider": c.provider, "model": c.model, "at": c.at, "outcome": c.outcome} for c in found]
        return web.json_response(shown)

    async def behave(request: web.Request) -> web.Response:
        """Takes {"provider", "fault", "first_token_delay", "token_delay"}: a new standing behaviour."""
        wanted = await request.json()
        fault = Fault(wanted["fault"]) if wanted.get("fault") else None
        first, each = float(wanted.get("first_token_delay", 0)), float(wanted.get("token_delay", 0))
        models.always(wanted["provider"], Behaviour(fault=fault, first_token_delay=first, token_delay=each))
        return web.json_response({"ok": True})

    return [web.get("/double/calls", calls), web.post("/double/behave", behave)]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answer", help="what every model says; without: an echo")
    parser.add_argument("--first-token-delay", type=float, default=0.0, help="seconds")
    parser.add_argument("--token-delay", type=float, default=0.0, help="seconds")
    options = parser.parse_args()
    models = ModelDoubles()
    behaviour = Behaviour(
        answer=(lambda _: options.answer) if options.answer else echo,
        first_token_delay=options.first_token_delay,
        token_delay=options.token_delay,
    )
    for provider in get_args(Provider):
        models.always(provider, behaviour)
    async with models.running(port=options.port, routes=control(models)):
        addresses = {provider: models.base_url(provider) for provider in get_args(Provider)}
        sys.stdout.write(json.dumps({"url": models.url, "base_urls": addresses}) + "\n")
        sys.stdout.flush()
        await until_stopped()


if __name__ == "__main__":
    asyncio.run(main())
