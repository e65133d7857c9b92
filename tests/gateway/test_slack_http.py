"""Who may post to the webhooks, and what Slack is answered."""

import json
import time

import aiohttp
import pytest
from pydantic import SecretStr

from gateway import bodies
from gateway import slack as slack_webhooks
from gateway.slack_events import SlackEvents
from konstruct.errors import Misconfigured
from tests.gateway.conftest import Quarantine
from tests.gateway.office import Office
from tests.support.slack_double import SlackDouble, sign
from tests.support.slack_double import events as built

CHALLENGE = json.dumps(built.url_verification("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P")).encode()


async def post(gateway: str, body: bytes, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{gateway}/slack/events", data=body, headers=headers) as r,
    ):
        await r.read()
        return r.status


async def test_the_challenge_is_echoed_to_slack(slack: SlackDouble, gateway: str) -> None:
    answer = await slack.post(f"{gateway}/slack/events", CHALLENGE)

    assert answer.status == 200
    assert json.loads(answer.body) == {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}


@pytest.mark.parametrize("skew", [-301, 301])
async def test_a_request_from_another_time_is_refused(slack: SlackDouble, gateway: str, skew: int) -> None:
    answer = await slack.post(f"{gateway}/slack/events", CHALLENGE, timestamp=int(time.time()) + skew)

    assert answer.status == 401


async def test_a_request_signed_with_another_secret_is_refused(slack: SlackDouble, gateway: str) -> None:
    assert (await slack.post(f"{gateway}/slack/events", CHALLENGE, secret="another")).status == 401


async def test_a_body_that_was_changed_on_the_way_is_refused(slack: SlackDouble, gateway: str) -> None:
    now = str(int(time.time()))
    headers = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": sign(slack.signing_secret, now, CHALLENGE)}

    assert await post(gateway, CHALLENGE, headers) == 200
    assert await post(gateway, CHALLENGE + b" ", headers) == 401


@pytest.mark.parametrize("path", ["events", "interactivity"])
async def test_an_unsigned_request_is_refused(gateway: str, path: str) -> None:
    async with aiohttp.ClientSession() as client, client.post(f"{gateway}/slack/{path}", data=CHALLENGE) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("timestamp", ["²", "١٧", "now", "-1", "1e9", "9" * 5000, ""])
async def test_a_timestamp_that_is_no_number_is_refused(slack: SlackDouble, gateway: str, timestamp: str) -> None:
    headers = {"X-Slack-Signature": sign(slack.signing_secret, timestamp, CHALLENGE)}

    assert await post(gateway, CHALLENGE, headers | {"X-Slack-Request-Timestamp": timestamp}) == 401


@pytest.mark.parametrize("signature", ["v0=é", "v0=", "", "ü" * 66, "v1=" + "0" * 64])
async def test_a_signature_that_cannot_be_one_is_refused(gateway: str, signature: str) -> None:
    headers = {"X-Slack-Request-Timestamp": str(int(time.time())), "X-Slack-Signature": signature}

    assert await post(gateway, CHALLENGE, headers) == 401


async def test_a_body_over_the_limit_is_refused(slack: SlackDouble, gateway: str) -> None:
    answer = await slack.post(f"{gateway}/slack/events", b" " * (bodies.MAX_BYTES + 1))

    assert answer.status == 413


@pytest.mark.parametrize("secret", ["", "  "])
async def test_without_a_secret_the_webhooks_are_never_opened(events: SlackEvents, secret: str) -> None:
    with pytest.raises(Misconfigured, match="KONSTRUCT_SLACK_SIGNING_SECRET"):
        slack_webhooks.router(events, SecretStr(secret))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b'{"type": NaN}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (rb'{"type": "\ud800"}', "surrogate"),
        (rb'{"\udfff": 1}', "surrogate"),
        (rb'{"type": "\u0000"}', "NUL"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "nested"),
        (b'{"type": "event_callback"}', "not connected"),
        (b'{"type": "event_callback", "event": null, "authorizations": 5}', "TypeError"),
    ],
)
async def test_a_signed_body_that_cannot_be_used_is_kept_aside_once(
    slack: SlackDouble, gateway: str, quarantine: Quarantine, body: bytes, reason: str
) -> None:
    answer = await slack.post(f"{gateway}/slack/events", body)

    assert answer.status == 200
    [kept] = await quarantine()
    assert kept.body == body
    assert reason in kept.reason


async def test_a_workspace_that_nobody_connected_is_kept_aside(
    slack: SlackDouble, office: Office, quarantine: Quarantine
) -> None:
    stranger = slack.world.add_workspace(team_id="TSTRANGER")
    event = built.message(stranger.dm_with("U1"), built.person_message("U1", "hello", "1.000001", "TSTRANGER"))

    assert (await slack.deliver(event, team="TSTRANGER")).status == 200
    [kept] = await quarantine()
    assert "not connected" in kept.reason
    assert await office.messages() == []


async def test_slack_is_told_that_it_sends_too_much(slack: SlackDouble, office: Office) -> None:
    assert (await slack.send(built.app_rate_limited(slack.world, office.workspace))).status == 200


async def test_a_button_that_nobody_listens_to_is_accepted(
    slack: SlackDouble, gateway: str, office: Office, quarantine: Quarantine
) -> None:
    shown = built.person_message("U1", "Pick one", "1.000001", office.workspace.team_id)
    slack.world.store(office.workspace.channels["C1"], shown)

    click = await slack.person_clicks(
        "C1", shown["ts"], "U1", action_id="old", value="x", url=f"{gateway}/slack/interactivity"
    )

    assert click.status == 200
    assert await quarantine() == []


@pytest.mark.parametrize("form", [b"", b"payload=", b"payload={", b"\xff\xff=\xfe", b"other=1"])
async def test_an_interaction_that_cannot_be_used_is_kept_aside(
    slack: SlackDouble, gateway: str, quarantine: Quarantine, form: bytes
) -> None:
    kind = "application/x-www-form-urlencoded"

    assert (await slack.post(f"{gateway}/slack/interactivity", form, content_type=kind)).status == 200
    assert len(await quarantine()) == 1
