"""WhatsApp's webhooks: who posted, how much of it, and the answer. What it means is in ``whatsapp_events``."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import SecretStr

from gateway import bodies
from gateway.whatsapp_events import WhatsAppEvents
from konstruct.errors import Misconfigured, NotAllowed, Unauthentic

MAX_BYTES: Final = 3_000_000
"""What Meta may post at once."""

_CHALLENGE: Final = re.compile("[0-9A-Za-z_-]{1,128}")
_SIGNATURE: Final = "x-hub-signature-256"


def router(events: WhatsAppEvents, app_secrets: Sequence[SecretStr], verify_token: SecretStr) -> APIRouter:
    """``app_secrets``: of the deployment's Meta app, the older ones too while they are being replaced; a number whose
    tenant has a Meta app of its own is posted of at a path of its own.

    Raises Misconfigured when there is no token to verify the address with.
    """
    keys = [key for secret in app_secrets if (key := secret.get_secret_value().strip().encode())]
    token = verify_token.get_secret_value().strip().encode()
    if not token:
        raise Misconfigured("KONSTRUCT_WHATSAPP_VERIFY_TOKEN is empty: choose a word, and tell it to Meta.")
    routes = APIRouter(prefix="/whatsapp")

    @routes.get("")
    @routes.get("/{phone_number_id}")
    async def verify(
        mode: Annotated[str, Query(alias="hub.mode")] = "",
        given: Annotated[str, Query(alias="hub.verify_token")] = "",
        challenge: Annotated[str, Query(alias="hub.challenge")] = "",
    ) -> Response:
        is_ours = hmac.compare_digest(token, given.encode("utf-8", "replace"))
        if mode != "subscribe" or not is_ours or not _CHALLENGE.fullmatch(challenge):
            raise NotAllowed("This is not how Meta verifies an address with our token.")
        return Response(challenge, media_type="text/plain")

    @routes.post("")
    async def receive(request: Request) -> Response:
        body = await bodies.read(request, most_bytes=MAX_BYTES)
        _verify(keys, request, body)
        await events.receive(body)
        return Response(status_code=200)

    @routes.post("/{phone_number_id}")
    async def receive_of_own_app(phone_number_id: str, request: Request) -> Response:
        body = await bodies.read(request, most_bytes=MAX_BYTES)
        account = await events.account_with_own_app(phone_number_id)
        secret = account.secrets["app_secret"].get_secret_value().strip().encode() if account else b""
        _verify([secret] if secret else [], request, body)
        # Whoever holds a tenant's secret speaks of that tenant's numbers alone.
        await events.receive(body, only=account.tenant_id if account else None)
        return Response(status_code=200)

    return routes


def _verify(keys: Sequence[bytes], request: Request, body: bytes) -> None:
    # Compared as bytes: compare_digest raises on a header that is not ASCII.
    given = request.headers.get(_SIGNATURE, "").encode("utf-8", "replace")
    matches = [
        hmac.compare_digest(b"sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest().encode(), given)
        for key in keys
    ]
    if not any(matches):
        raise Unauthentic("The request's signature does not hold.")
