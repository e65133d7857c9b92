"""The way from a fresh checkout to a real workspace: two tokens in the environment, and no public address."""

from pathlib import Path

import pytest

from tests.acceptance.town import Talk
from tests.support.commands import konstruct
from tests.support.model_doubles import ModelDoubles
from tests.support.ports import free_ports
from tests.support.processes import Up, environment
from tests.support.slack_double import SlackDouble

pytestmark = pytest.mark.stack


async def test_with_two_tokens_the_demo_tenant_answers_in_a_workspace_by_socket_mode(folder: Path) -> None:
    async with SlackDouble().running() as slack, ModelDoubles().running() as models:
        workspace = slack.world.add_workspace()
        workspace.add_channel("C0GENERAL")
        env = environment(
            folder / "data",
            **free_ports("gateway_port", "portal_port", "temporal_ui_port"),
            local_model_base_url=models.base_url("local"),
            slack_api_url=slack.api_url,
            slack_app_token=slack.app_token,
            slack_bot_token=workspace.bot_token,
        )
        up = await Up.start_forking(env)
        try:
            assert await up.is_up(), up.said
            assert "The demo tenant is connected to your Slack workspace." in up.said

            talk = Talk(slack, workspace, "C0GENERAL", "U0LIN")
            await talk.mention("When are you open?")

            assert await talk.heard_nothing_more_than(1) == ["You said: When are you open?"]
            assert talk.messages()[0]["username"] == "Ada · Front desk"
            assert "ok       slack: Socket Mode" in (await konstruct("doctor", env=env)).said
        finally:
            await up.stop()
