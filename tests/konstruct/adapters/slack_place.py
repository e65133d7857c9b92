"""A workspace of the pretended Slack, and a thread in it, as adapters are given them."""

from datetime import UTC, datetime
from uuid import uuid4

from pydantic import SecretStr

from konstruct.adapters.slack_calls import BOT_TOKEN
from konstruct.identity import ConnectionId, MessageId, TenantId, new_id
from konstruct.ports import ChannelAccount, Outgoing, Thread
from tests.konstruct.adapters.test_slack_manifest import MANIFEST
from tests.support.slack_double import Channel, SlackDouble, Workspace
from tests.support.slack_double.events import person_message

SCOPES = frozenset(MANIFEST["oauth_config"]["scopes"]["bot"])


def account_of(workspace: Workspace) -> ChannelAccount:
    return ChannelAccount(
        tenant_id=TenantId(new_id()),
        connection_id=ConnectionId(new_id()),
        kind="slack",
        is_active=True,
        team_id=workspace.team_id,
        bot_user_id=workspace.bot_user_id,
        bot_id=workspace.bot_id,
        secrets={BOT_TOKEN: SecretStr(workspace.bot_token)},
    )


def said(slack: SlackDouble, workspace: Workspace, channel: Channel, **more: str) -> str:
    """The ts of a person's message, which no event tells of."""
    message = person_message("U1", "hello", slack.world.next_ts(), workspace.team_id)
    slack.world.store(channel, message | more)
    return str(message["ts"])


def thread_in(slack: SlackDouble, workspace: Workspace, channel: Channel) -> Thread:
    return Thread(channel.id, said(slack, workspace, channel), "U1")


def outgoing(text: str = "Hello **you**") -> Outgoing:
    return Outgoing(MessageId(uuid4()), text, "Ada", "Support", datetime.now(UTC))
