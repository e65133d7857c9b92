"""What Stripe posts to the webhook: whether it is Stripe's, and which ids it tells of. The rest is not believed."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import stripe
from pydantic import SecretStr

from konstruct.billing_ports import Event
from konstruct.errors import BadInput, Unauthentic

TOLERANCE_SECONDS: Final = 300
"""How old a signature may be, and how far ahead of our clock."""
_LONGEST_ID: Final = 255


def verified(body: bytes, signature: str | None, secrets: Sequence[SecretStr]) -> Event:
    """``body``: as it came, byte for byte. ``secrets``: while one is replaced, the new and the old.

    Raises:
        Unauthentic: nobody who knows one of the secrets signed this just now.
        BadInput: it is signed, and no event.
    """
    if not signature or not signature.isascii() or not any(_holds(body, signature, secret) for secret in secrets):
        raise Unauthentic("The signature is not Stripe's.")
    return _read(body)


def _holds(body: bytes, signature: str, secret: SecretStr) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret.get_secret_value(), TOLERANCE_SECONDS)
        # The SDK looks for what is too old alone.
        signed = next(int(part[2:]) for part in signature.split(",") if part.startswith("t="))
    except (stripe.SignatureVerificationError, StopIteration, ValueError):
        return False
    return signed <= time.time() + TOLERANCE_SECONDS


def _read(body: bytes) -> Event:
    try:
        event = json.loads(body)
        about = event["data"]["object"]
        return Event(
            event_id=_id(event["id"]),
            type=_id(event["type"]),
            customer_id=_optional(_customer(about)),
            subscription_id=_optional(_subscription(about)),
            created_at=datetime.fromtimestamp(event["created"], UTC),
        )
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise BadInput("This is no event of Stripe's.") from error


def _customer(about: Mapping[str, Any]) -> object:
    return about["id"] if about.get("object") == "customer" else about.get("customer")


def _subscription(about: Mapping[str, Any]) -> object:
    if about.get("object") == "subscription":
        return about["id"]
    if about.get("object") == "invoice":
        details = (about.get("parent") or {}).get("subscription_details") or {}
        return details.get("subscription")
    return about.get("subscription")


def _optional(found: object) -> str | None:
    """An id, or what was expanded in its place."""
    if found is None:
        return None
    return _id(found["id"] if isinstance(found, Mapping) else found)


def _id(found: object) -> str:
    if not isinstance(found, str) or not 0 < len(found) <= _LONGEST_ID or not found.isprintable():
        raise ValueError("This is no id.")
    return found
