"""A Slack that runs on loopback: a real HTTP server which checks what the real one checks.

    slack = SlackDouble(events_url=f"{gateway}/slack/events")
    team = slack.world.add_workspace()
    team.add_channel("C1")
    async with slack.running():
        said = await slack.person_says("C1", "U1", f"<@{team.bot_user_id}> hello")
        [reply] = await slack.wait_for_message("C1", thread_ts=said.ts)

It lives in one event loop; whatever talks to it may live anywhere. Time-outs are real time.
"""

from tests.support.slack_double.delivery import Delivery, Said, sign
from tests.support.slack_double.hosting import Handing
from tests.support.slack_double.server import Call, SlackDouble
from tests.support.slack_double.world import Channel, HostedFile, Json, Stream, Workspace, World

__all__ = [
    "Call",
    "Channel",
    "Delivery",
    "Handing",
    "HostedFile",
    "Json",
    "Said",
    "SlackDouble",
    "Stream",
    "Workspace",
    "World",
    "sign",
]
