"""What is said of the gateway's own name is for nobody to choose but its operator."""

import aiohttp
import httpx
import pytest
from fastapi import FastAPI

from gateway import slack_install
from konstruct.adapters.redis import Circuit, connect
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.conftest import OpenOffice
from tests.gateway.test_slack_install import at_slack, consent, link
from tests.support.slack_double import SlackDouble

EVIL = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}


@pytest.mark.parametrize(
    "path", ["/health/live/", "/slack/events/", "/whatsapp/1/", "//evil.example/", "/api/v1/inbox/"]
)
async def test_nobody_is_led_on_to_the_name_that_they_said(api: str, path: str) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{api}{path}", headers=EVIL, allow_redirects=False) as answer,
    ):
        assert answer.status in (401, 404, 405)
        assert "Location" not in answer.headers
        assert "evil.example" not in await answer.text()


async def test_slack_is_told_the_address_that_was_set_whatever_host_was_asked(
    slack: SlackDouble, database: Database, vault: Vault, redis_url: str, settings: Settings, new_office: OpenOffice
) -> None:
    keys, app, redis = settings.encryption_keys, FastAPI(), connect(redis_url)
    async with aiohttp.ClientSession() as session:
        oauth = at_slack(session, slack)
        router = slack_install.router(
            database, vault, redis, Circuit(), oauth, keys, public_url="https://hooks.example.org/"
        )
        app.include_router(router)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://evil.example", headers=EVIL) as visitor:
            asked = await consent(visitor, link(settings, await new_office()))
            [cookie] = visitor.cookies.jar
    await redis.aclose()
    assert asked["redirect_uri"] == "https://hooks.example.org/slack/oauth_redirect"
    assert cookie.secure
