"""How Stripe is called: the client with its pinned version, idempotency keys, and what each failure means."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import stripe
from pydantic import SecretStr
from stripe import RequestOptions

from konstruct.adapters.stripe_facts import LOOPBACK
from konstruct.errors import KonstructError, Misconfigured, PaymentsRefused, PaymentsUnavailable

# Else it tells Stripe of this machine's system, and of how long its own requests took.
stripe.enable_telemetry = False

API_VERSION: Final = "2026-10-28.endive"
"""Shapes of answers and defaults of requests are this version's, whatever the account's own is."""
STRIPE: Final = "https://api.stripe.com"

_LIVE: Final = ("sk_live_", "rk_live_")
_LONGEST: Final = timedelta(seconds=30)
_MOST_KEYS: Final = 3
_ALREADY_COUNTED: Final = "already exists with identifier"

T = TypeVar("T")


class StripeCalls:
    """Everything of the API that is used goes through ``asked``, ``made`` or ``counted``."""

    def __init__(self, key: SecretStr, url: str = STRIPE, *, longest: timedelta = _LONGEST) -> None:
        """Raises Misconfigured where a key would be shown to somebody who is not Stripe."""
        secret, place = key.get_secret_value().strip(), urlsplit(url)
        if url.rstrip("/") != STRIPE and secret.startswith(_LIVE):
            raise Misconfigured("A live key of Stripe's is sent to Stripe alone: unset KONSTRUCT_STRIPE_API_URL.")
        if place.scheme != "https" and place.hostname not in LOOPBACK:
            raise Misconfigured(
                "KONSTRUCT_STRIPE_API_URL must begin with https://, but for an address on this machine."
            )
        self._longest = longest
        # Ours are the only retries: the SDK's own would be hidden from who counts on one call being one.
        self._http = stripe.HTTPXClient(timeout=longest.total_seconds())
        self._client = stripe.StripeClient(
            secret,
            stripe_version=API_VERSION,
            base_addresses={"api": url.rstrip("/")},
            http_client=self._http,
            max_network_retries=0,
        )

    @property
    def v1(self) -> stripe.V1Services:
        return self._client.v1

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def asked(self, call: Awaitable[T]) -> T:
        async with self.translated():
            return await call

    async def made(self, attempt: str, params: Mapping[str, Any], call: Callable[[RequestOptions], Awaitable[T]]) -> T:
        """Something is made or changed, once for each attempt with the same parameters.

        Stripe keeps a failure of its own under the key as well, and answers it again: then another key is needed. What
        the first may have done all the same is harmless twice: see each caller.
        """
        told = json.dumps([attempt, params], sort_keys=True, default=str)
        key = hashlib.sha256(told.encode()).hexdigest()
        for number in range(_MOST_KEYS):
            try:
                return await self.asked(call({"idempotency_key": f"konstruct-{key}-{number}"}))
            except PaymentsUnavailable as error:
                if not _is_kept(error.__cause__) or number == _MOST_KEYS - 1:
                    raise
        raise AssertionError("unreachable")

    async def counted(self, call: Awaitable[object]) -> None:
        """An event of a meter, which Stripe refuses if it has one of the same identifier."""
        try:
            await self.asked(call)
        except PaymentsRefused as error:
            cause = error.__cause__
            if error.code == "duplicate_meter_event":
                return
            # The first version of the API gives this refusal no code.
            if isinstance(cause, stripe.InvalidRequestError) and _ALREADY_COUNTED in (cause.user_message or ""):
                return
            raise

    @asynccontextmanager
    async def translated(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._longest.total_seconds()):
                yield
        except KonstructError:
            raise
        except stripe.StripeError as failure:
            raise _meaning(failure) from failure
        except TimeoutError as failure:
            raise PaymentsUnavailable("Stripe did not answer in time.") from failure
        except (LookupError, AttributeError, TypeError, ValueError) as failure:
            raise PaymentsUnavailable("The answer is not one of Stripe's.") from failure


def _is_kept(failure: BaseException | None) -> bool:
    return (
        isinstance(failure, stripe.StripeError)
        and (failure.http_status or 0) >= 500
        and _header(failure, "Idempotent-Replayed") == "true"
    )


def _header(failure: stripe.StripeError, name: str) -> str | None:
    found = {key.lower(): value for key, value in dict(failure.headers or {}).items()}
    return found.get(name.lower())


def _meaning(failure: stripe.StripeError) -> KonstructError:
    status = failure.http_status
    if status in (401, 403):
        # Whoever runs the deployment mends this; until then it is as if Stripe were away.
        return PaymentsUnavailable("Stripe does not accept this deployment's key, or not for this.")
    if isinstance(failure, stripe.APIConnectionError):
        return PaymentsUnavailable("Stripe cannot be reached.")
    if status == 429:
        return PaymentsUnavailable("Stripe asks to be called less often.")
    if status == 409:
        return PaymentsUnavailable("The same is being done at Stripe already.")
    if status is None or not 400 <= status < 500 or isinstance(failure, stripe.APIError):
        return PaymentsUnavailable(f"Stripe failed to answer (HTTP {status}).")
    told = " ".join((failure.user_message or "").split())[:300]
    return PaymentsRefused(f"Stripe refused it: {told or 'it does not say why.'}", failure.code or f"http_{status}")
