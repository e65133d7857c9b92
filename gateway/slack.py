"""Slack's webhooks: who sent it, how much of it, and the answer. What it means is in ``slack_events``."""

import hashlib
import hmac
import re
import time
from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from pydantic import SecretStr

from gateway import bodies
from gateway.slack_events import SlackEvents
from konstruct.errors import Misconfigured, Unauthentic

MAX_SKEW: Final = 300
"""Seconds between Slack's clock and ours; an older signature may be a replay."""

_TIMESTAMP: Final = re.compile("[0-9]{1,12}")


def router(events: SlackEvents, signing_secret: SecretStr) -> APIRouter:
    """Raises Misconfigured when there is no secret to check signatures with."""
    key = signing_secret.get_secret_value().strip().encode()
    if not key:
        raise Misconfigured("KONSTRUCT_SLACK_SIGNING_SECRET is empty: copy it from the Slack app's Basic Information.")
    routes = APIRouter(prefix="/slack")

    async def signed(request: Request) -> bytes:
        body = await bodies.read(request)
        _verify(key, request, body)
        return body

    @routes.post("/events")
    async def receive_event(body: Annotated[bytes, Depends(signed)]) -> Response:
        return await _answer(events, body)

    @routes.post("/interactivity")
    async def receive_interaction(body: Annotated[bytes, Depends(signed)]) -> Response:
        # Latin-1 takes any byte; what then is no form falls through to the quarantine.
        form = parse_qs(body.decode("latin-1"))
        return await _answer(events, form["payload"][0].encode() if "payload" in form else body)

    return routes


def _verify(key: bytes, request: Request, body: bytes) -> None:
    timestamp = request.headers.get("x-slack-request-timestamp", "")
    if not _TIMESTAMP.fullmatch(timestamp) or abs(time.time() - int(timestamp)) > MAX_SKEW:
        raise Unauthentic("The request's timestamp is missing or too far from now.")
    expected = "v0=" + hmac.new(key, b"v0:%s:%s" % (timestamp.encode(), body), hashlib.sha256).hexdigest()
    # Compared as bytes: compare_digest raises on a header that is not ASCII.
    if not hmac.compare_digest(expected.encode(), request.headers.get("x-slack-signature", "").encode()):
        raise Unauthentic("The request's signature does not hold.")


async def _answer(events: SlackEvents, document: bytes) -> Response:
    answer = await events.receive(document)
    return Response(answer.body, answer.status, answer.first_headers_without_set_cookie())
