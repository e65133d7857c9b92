"""Stripe's webhook: whether Stripe posted, and that it is kept before it is answered. What it means is asked there."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import SecretStr
from temporalio.client import Client

from gateway import bodies
from konstruct import quarantine
from konstruct.adapters.stripe_events import verified
from konstruct.billing import events, telling
from konstruct.db import Database
from konstruct.errors import BadInput

MAX_BYTES: Final = 1_000_000
"""Many times what an event with a long invoice takes."""


def router(database: Database, client: Client, secrets: Sequence[SecretStr]) -> APIRouter:
    """``secrets``: that of the webhook, and the older one too while it is being replaced."""
    routes = APIRouter(prefix="/stripe")

    @routes.post("/webhook")
    async def receive(request: Request) -> Response:
        body = await bodies.read(request, most_bytes=MAX_BYTES)
        try:
            event = verified(body, request.headers.get("stripe-signature"), secrets)
        except BadInput as error:
            # It is Stripe's, and would not be understood the next time either.
            await quarantine.keep(database, channel="stripe", reason=str(error), body=body)
            return Response(status_code=200)
        tenant_id = await events.keep(database, event)
        if tenant_id is not None:
            await telling.tell(client, tenant_id)
        return Response(status_code=200)

    return routes
