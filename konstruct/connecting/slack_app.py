"""The Slack app that a deployment needs: its manifest, and the permissions that it asks of a workspace."""

import json
from collections.abc import Collection, Sequence
from importlib import resources
from typing import Any, Final

_APP: Final[dict[str, Any]] = json.loads(resources.files("konstruct.connecting").joinpath("slack_app.json").read_text())

SCOPES: Final[tuple[str, ...]] = tuple(_APP["oauth_config"]["scopes"]["bot"])
OPTIONAL: Final = frozenset({"assistant:write", "chat:write.customize", "mpim:history", "reactions:write"})
"""Without these everything works but something that is nice to have."""


def manifest(*, gateway_url: str, portal_url: str) -> dict[str, Any]:
    """Of an app whose events go to this gateway, and whose installations come back to this portal."""
    settings = _APP["settings"]
    return {
        **_APP,
        "oauth_config": {
            **_APP["oauth_config"],
            "redirect_urls": [callback(portal_url), f"{gateway_url}/slack/oauth_redirect"],
        },
        "settings": {
            **settings,
            "event_subscriptions": {**settings["event_subscriptions"], "request_url": f"{gateway_url}/slack/events"},
            "interactivity": {**settings["interactivity"], "request_url": f"{gateway_url}/slack/interactivity"},
        },
    }


def callback(portal_url: str) -> str:
    """Where Slack sends a person back to who has allowed the app."""
    return f"{portal_url}/channels/slack/callback"


def lacking(granted: Collection[str]) -> Sequence[str]:
    """The permissions without which nothing would work."""
    return [scope for scope in SCOPES if scope not in granted and scope not in OPTIONAL]
