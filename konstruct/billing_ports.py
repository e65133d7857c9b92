"""What Stripe is asked for: a Protocol and the values that cross it. Amounts are integers, in minor units."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID


@dataclass(frozen=True)
class InvoiceFacts:
    invoice_id: str
    number: str | None
    status: str
    """draft, open, paid, uncollectible or void."""
    amount_due: int
    amount_paid: int
    currency: str
    created_at: datetime
    page: str | None
    """Where the customer sees and pays it, at Stripe."""
    pdf: str | None


@dataclass(frozen=True)
class SubscriptionFacts:
    """All that is known of a customer's subscription, from one look."""

    subscription_id: str
    status: str
    lookup_key: str | None
    """Of its price."""
    trial_ends_at: datetime | None
    period_start: datetime | None
    period_end: datetime | None
    ends_at: datetime | None
    """When it is to end, where it is to."""
    next_lookup_key: str | None
    next_at: datetime | None
    """What its price changes to, and when, where that is arranged."""
    card_brand: str | None
    card_last4: str | None
    latest_invoice: InvoiceFacts | None
    unpaid_since: datetime | None
    """When the oldest of its invoices was made that is open and was tried."""


@dataclass(frozen=True)
class CustomerFacts:
    """One look at a customer."""

    is_deleted: bool
    subscription: SubscriptionFacts | None
    """That which counts: a live one before one that ended, then the newest."""
    others: tuple[str, ...]
    """Further subscriptions that are live: somebody pays twice."""
    had_trial: bool


@dataclass(frozen=True)
class Hosted:
    """A page at Stripe to send a person to."""

    id: str
    url: str


@dataclass(frozen=True)
class CheckoutFacts:
    customer_id: str
    status: str
    """open, complete or expired."""
    subscription_id: str | None


@dataclass(frozen=True)
class Line:
    text: str
    amount: int


@dataclass(frozen=True)
class Preview:
    """What an invoice would be."""

    due: int
    currency: str
    at: datetime
    lines: Sequence[Line]
    is_asked_there: bool = True
    """Of a change: Stripe's portal shows it once more before it is made. Else it is made when it is asked for."""


@dataclass(frozen=True)
class Flow:
    """What a visit to Stripe's portal is for."""

    kind: Literal["cancel", "card"]
    subscription_id: str | None = None


class Payments(Protocol):
    """Stripe. Raises PaymentsUnavailable, which may be asked again with the same ``attempt``, PaymentsRefused, and
    nothing else; what makes or changes something carries an idempotency key made of its ``attempt``."""

    async def make_customer(self, tenant_id: UUID, name: str, email: str, *, attempt: str) -> str: ...

    async def open_checkout(
        self,
        customer_id: str,
        lookup_keys: Sequence[str],
        *,
        tenant_id: UUID,
        trial_days: int,
        success_url: str,
        cancel_url: str,
        attempt: str,
    ) -> Hosted:
        """``success_url`` holds ``{CHECKOUT_SESSION_ID}`` where the session's id is to stand."""

    async def close_checkout(self, session_id: str) -> None:
        """One that is complete or expired stays what it is."""

    async def checkout(self, session_id: str) -> CheckoutFacts: ...

    async def look(self, customer_id: str) -> CustomerFacts: ...

    async def preview_change(self, subscription_id: str, lookup_keys: Sequence[str], at: datetime) -> Preview:
        """What is due at once for a change at ``at``, with what is credited. The plan's own price comes first."""

    async def change(
        self,
        customer_id: str,
        subscription_id: str,
        lookup_keys: Sequence[str],
        *,
        at: datetime,
        return_url: str,
        attempt: str,
    ) -> Hosted:
        """Where to send the person: to confirm it, to pay for it, or back, as it is done. It takes the place of what
        was arranged before, and costs what was shown for ``at``."""

    async def next_invoice(self, subscription_id: str) -> Preview | None: ...

    async def open_portal(self, customer_id: str, *, return_url: str, flow: Flow | None, attempt: str) -> Hosted: ...

    async def resume(self, subscription_id: str, *, attempt: str) -> None:
        """It does not end with its period any more, nor changes then."""

    async def end_all(self, customer_id: str) -> None:
        """What the customer subscribes to ends at once; what has ended stays what it is."""

    async def invoices(self, customer_id: str, *, at_most: int = 24) -> list[InvoiceFacts]:
        """The newest first."""

    async def meter(self, event_name: str, customer_id: str, value: int, *, identifier: UUID, at: datetime) -> None:
        """Counted once for each identifier, however often it is sent."""


@dataclass(frozen=True)
class Event:
    """What a webhook told of: ids alone, as what it says may be old."""

    event_id: str
    type: str
    customer_id: str | None
    subscription_id: str | None
    created_at: datetime
