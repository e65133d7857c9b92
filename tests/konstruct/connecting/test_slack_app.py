"""The Slack app's manifest of a deployment is the one in the docs, with its own addresses filled in."""

import json
from pathlib import Path

from konstruct.connecting import slack_app

DOCUMENTED = Path(__file__).parents[3] / "docs" / "slack" / "manifest.json"


def test_the_documented_manifest_is_the_one_that_is_shown() -> None:
    manifest = slack_app.manifest(gateway_url="https://YOUR-HOST", portal_url="https://YOUR-PORTAL")
    assert manifest == json.loads(DOCUMENTED.read_text())
    assert slack_app.callback("https://YOUR-PORTAL") in manifest["oauth_config"]["redirect_urls"]


def test_it_asks_for_what_it_declares() -> None:
    assert list(slack_app.SCOPES) == sorted(slack_app.SCOPES)
    assert set(slack_app.SCOPES) >= slack_app.OPTIONAL
    assert slack_app.lacking(slack_app.SCOPES) == []
