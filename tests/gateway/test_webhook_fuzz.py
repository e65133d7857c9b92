"""Ten thousand hostile posts to both channels' webhooks, and some to Stripe's: none of them is our failure, and nothing
unsigned is taken."""

import asyncio
import json
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from structlog.testing import capture_logs
from temporalio.client import Client

from gateway import stripe
from gateway.slack_events import SlackEvents
from gateway.whatsapp_events import WhatsAppEvents
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.limits import LocalLimiter
from konstruct.vault import Vault
from tests.gateway.conftest import NewNumber, OpenOffice, answer_error, webhooks, whatsapp_webhooks
from tests.support import slack_double
from tests.support.hostile import forged_signature, hostile
from tests.support.slack_double import SlackDouble
from tests.support.slack_double import events as built
from tests.support.stripe_double import sign as sign_stripe
from tests.support.whatsapp_posts import call, posted
from tests.support.whatsapp_posts import sign as sign_whatsapp

POSTS: Final = int(os.environ.get("KONSTRUCT_FUZZ", "10000"))
UNSIGNED, SIGNED = POSTS * 7 // 20, POSTS * 3 // 20
"""To each of the two channels; what is signed has to be looked into, and takes longer."""
OF_STRIPE: Final = 5
"""Stripe's, which tells of ids alone, gets this part of what they get."""
AT_ONCE: Final = 16
FORGED: Final = "forged canary"


async def attack(send: Callable[[random.Random], Any], posts: int, seed: int) -> Counter[int]:
    """All answers by status."""
    statuses: Counter[int] = Counter()
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with room:
            statuses[await send(random.Random(f"{seed}:{number}"))] += 1

    # Drawing thousands of tracebacks takes longer than all else.
    with capture_logs():
        await asyncio.gather(*(one(number) for number in range(posts)))
    return statuses


@pytest.mark.timeout(300)
async def test_no_post_to_whatsapps_webhooks_is_our_failure_and_none_unsigned_is_taken(
    database: Database, vault: Vault, temporal_client: Client, new_number: NewNumber
) -> None:
    number = await new_number()
    app = whatsapp_webhooks(WhatsAppEvents(database, vault, LocalLimiter(), temporal_client))
    shapes = [
        json.loads(path.read_text().replace("NUMBER", number.phone_number_id).replace("WABA", number.waba_id))
        for path in sorted(Path(__file__).with_name("whatsapp_shapes").glob("*.json"))
    ]
    forged = json.loads(posted(number.messages(number.text(FORGED, wa_id="16505550000"))))

    async def unsigned(chance: random.Random) -> int:
        is_plain = chance.random() < 0.2
        body = json.dumps({**forged, "n": chance.random()}).encode() if is_plain else hostile([forged, *shapes], chance)
        signature = forged_signature(chance, sign_whatsapp(body))
        return (await call(app, "POST", "/whatsapp", body=body, headers=[(b"x-hub-signature-256", signature)])).status

    async def signed(chance: random.Random) -> int:
        body = hostile(shapes, chance)
        headers = [(b"x-hub-signature-256", sign_whatsapp(body))]
        return (await call(app, "POST", "/whatsapp", body=body, headers=headers)).status

    assert await attack(unsigned, UNSIGNED, 1) == {401: UNSIGNED}
    assert await number.office.messages() == []
    assert await attack(signed, SIGNED, 2) == {200: SIGNED}
    assert FORGED not in {message.body for message in await number.office.messages()}


@pytest.mark.timeout(300)
async def test_no_post_to_slacks_webhooks_is_our_failure_and_none_unsigned_is_taken(
    events: SlackEvents, slack: SlackDouble, new_office: OpenOffice
) -> None:
    office = await new_office()
    office.workspace.add_channel("C1")
    app: FastAPI = webhooks(events, slack)
    team = office.workspace.team_id

    def shape(text: str) -> Any:
        said = built.person_message("U1", f"<@{office.workspace.bot_user_id}> {text}", f"{time.time():.6f}", team)
        event = built.app_mention(office.workspace.channels["C1"], said)
        return built.envelope(slack.world, office.workspace, event)

    shapes, forged = [shape(secrets.token_hex(8)) for _ in range(20)], shape(FORGED)

    async def send(body: bytes, signature: Callable[[bytes], bytes]) -> int:
        now = str(int(time.time()))
        real = slack_double.sign(slack.signing_secret, now, body).encode()
        headers = [(b"x-slack-request-timestamp", now.encode()), (b"x-slack-signature", signature(real))]
        return (await call(app, "POST", "/slack/events", body=body, headers=headers)).status

    async def unsigned(chance: random.Random) -> int:
        body = hostile([forged, *shapes], chance)
        return await send(body, lambda real: forged_signature(chance, real))

    async def signed(chance: random.Random) -> int:
        return await send(hostile(shapes, chance), lambda real: real)

    assert await attack(unsigned, UNSIGNED, 3) == {401: UNSIGNED}
    assert await office.messages() == []
    assert await attack(signed, SIGNED, 4) == {200: SIGNED}
    assert not [message for message in await office.messages() if FORGED in (message.body or "")]


@pytest.mark.timeout(300)
async def test_no_post_to_stripes_webhook_is_our_failure_and_none_unsigned_is_taken(
    database: Database, temporal_client: Client, owner_url: SecretStr
) -> None:
    secret = secrets.token_hex(16)
    app = FastAPI()
    app.include_router(stripe.router(database, temporal_client, [SecretStr(secret)]))
    app.add_exception_handler(KonstructError, answer_error)

    def shape(kind: str, **more: Any) -> Any:
        about = {"id": f"x_{secrets.token_hex(8)}", "customer": {"id": "cus_nobody", "object": "customer"}, **more}
        made = {"id": f"evt_{secrets.token_hex(8)}", "type": kind, "created": int(time.time())}
        return {**made, "object": "event", "data": {"object": about}}

    invoice: dict[str, Any] = {"object": "invoice", "parent": {"subscription_details": {"subscription": "sub_1"}}}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("invoice.paid", invoice),
        ("customer.subscription.updated", {"object": "subscription"}),
        ("customer.deleted", {"object": "customer"}),
        ("checkout.session.completed", {"subscription": "sub_1"}),
    ]
    shapes, forged = [shape(kind, **more) for kind, more in kinds for _ in range(5)], shape(FORGED)

    async def send(body: bytes, signature: bytes) -> int:
        headers = [(b"stripe-signature", signature)]
        return (await call(app, "POST", "/stripe/webhook", body=body, headers=headers)).status

    async def unsigned(chance: random.Random) -> int:
        body = hostile([forged, *shapes], chance)
        when, _, digest = sign_stripe(body, secret).encode().partition(b",v1=")
        return await send(body, when + b",v1=" + forged_signature(chance, digest))

    async def signed(chance: random.Random) -> int:
        # Stripe's signature is of a text.
        body = hostile(shapes, chance).decode(errors="replace").encode()
        return await send(body, sign_stripe(body, secret).encode())

    administrator = await asyncpg.connect(owner_url.get_secret_value())
    count = "select count(*) from stripe_events"
    before = await administrator.fetchval(count)
    posts = UNSIGNED // OF_STRIPE
    assert await attack(unsigned, posts, 5) == {401: posts}
    assert await administrator.fetchval(count) == before
    posts = SIGNED // OF_STRIPE
    assert await attack(signed, posts, 6) == {200: posts}
    assert await administrator.fetchval(count) > before
    assert not await administrator.fetchval("select count(*) from stripe_events where type = $1", FORGED)
    await administrator.close()
