"""The app manifest that people paste into Slack: within its limits, and true to what the code does."""

import json
import re
from pathlib import Path

MANIFEST = json.loads((Path(__file__).parents[3] / "docs" / "slack" / "manifest.json").read_text())

SCOPE_OF_EVENT = {
    "agent_session_stopped": "assistant:write",
    "app_home_opened": None,
    "app_mention": "app_mentions:read",
    "app_uninstalled": None,
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "tokens_revoked": None,
}


def test_the_manifest_subscribes_to_what_is_handled_with_the_scopes_for_it() -> None:
    assert set(MANIFEST["settings"]["event_subscriptions"]["bot_events"]) == set(SCOPE_OF_EVENT)
    scopes = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    assert {scope for scope in SCOPE_OF_EVENT.values() if scope} <= scopes


def test_the_manifest_is_within_slacks_limits() -> None:
    about, agent = MANIFEST["display_information"], MANIFEST["features"]["agent_view"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert re.fullmatch("#[0-9a-f]{6}", about["background_color"])
    assert len(agent["agent_description"]) <= 300
    assert len(agent["suggested_prompts"]) <= 4
    assert all(set(prompt) == {"title", "message"} for prompt in agent["suggested_prompts"])
    assert len(MANIFEST["features"]["bot_user"]["display_name"]) <= 80
    assert MANIFEST["features"]["app_home"]["messages_tab_enabled"]
    assert not MANIFEST["features"]["app_home"]["messages_tab_read_only_enabled"]


def test_the_manifest_points_to_the_gateway() -> None:
    settings = MANIFEST["settings"]
    assert settings["event_subscriptions"]["request_url"] == "https://YOUR-HOST/slack/events"
    assert settings["interactivity"] == {"is_enabled": True, "request_url": "https://YOUR-HOST/slack/interactivity"}
    assert not settings["token_rotation_enabled"]
