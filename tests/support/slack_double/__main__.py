"""The double as a process of its own, for benchmarks: ``python -m tests.support.slack_double --port 4301``.

Its first line of output says, as JSON, where it is and who lives there; ``/double/…`` steers it.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict

from aiohttp import web

from tests.support.http import until_stopped
from tests.support.slack_double import SlackDouble


def control(slack: SlackDouble) -> list[web.RouteDef]:
    async def say(request: web.Request) -> web.Response:
        """Takes the arguments of ``person_says`` by name."""
        said = await slack.person_says(**await request.json())
        attempts = [{"status": d.status, "elapsed": d.elapsed, "failure": d.failure} for d in said.deliveries]
        return web.json_response({"ts": said.ts, "deliveries": attempts})

    async def calls(request: web.Request) -> web.Response:
        """Calls of ?method= from number ?start= on, with their monotonic times."""
        found = slack.calls_of(request.query["method"])[int(request.query.get("start", 0)) :]
        return web.json_response([asdict(call) | {"token": None} for call in found])

    async def messages(request: web.Request) -> web.Response:
        """The bot's messages in ?channel= once there are ?count= of them."""
        query = request.query
        found = await slack.wait_for_message(
            query["channel"],
            int(query.get("count", 1)),
            thread_ts=query.get("thread_ts"),
            team=query.get("team"),
            timeout=float(query.get("timeout", 60)),
        )
        return web.json_response(found)

    return [
        web.post("/double/say", say),
        web.get("/double/calls", calls),
        web.get("/double/messages", messages),
    ]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--events-url", help="where the gateway takes events; without: Socket Mode")
    parser.add_argument("--signing-secret", default="double-signing-secret")
    parser.add_argument("--workspaces", type=int, default=1)
    parser.add_argument("--channels", type=int, default=1, help="in each workspace")
    options = parser.parse_args()
    slack = SlackDouble(signing_secret=options.signing_secret, events_url=options.events_url)
    for _ in range(options.workspaces):
        workspace = slack.world.add_workspace()
        for number in range(options.channels):
            workspace.add_channel(f"C{workspace.team_id[1:]}{number:04}")
    async with slack.running(port=options.port, routes=control(slack)):
        shown = ("team_id", "bot_token", "bot_user_id", "bot_id", "name")
        inhabitants = [
            {name: getattr(w, name) for name in shown} | {"channels": list(w.channels)}
            for w in slack.world.workspaces.values()
        ]
        sys.stdout.write(json.dumps({"api_url": slack.api_url, "workspaces": inhabitants}) + "\n")
        sys.stdout.flush()
        await until_stopped()


if __name__ == "__main__":
    asyncio.run(main())
