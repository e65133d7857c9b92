"""How often a tenant may have done what is work for us, or for others: each a bucket of the tenant's own, whether its
people ask in the portal or its programs over the API."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from konstruct.errors import TooMany
from konstruct.limits import waiting
from konstruct.ports import Limit, Limiter


@dataclass(frozen=True)
class Pace:
    what: str
    limit: Limit
    says: str
    """To whoever has to wait."""


DRY_RUNS: Final = Pace("dry-runs", Limit(20, timedelta(minutes=5)), "Rules were tried out very often just now.")
"""Each may take seconds."""
PICTURES: Final = Pace("pictures", Limit(30, timedelta(hours=1)), "Pictures were chosen very often just now.")
"""None is ever removed, since versions name them."""
MODEL_KEYS: Final = Pace("model-keys", Limit(30, timedelta(minutes=10)), "Keys were tried very often just now.")
WHATSAPP_CHECKS: Final = Pace(
    "whatsapp-checks", Limit(150, timedelta(minutes=10)), "Meta was asked very often just now."
)
"""Each asks Meta up to seven times."""

STRIPE: Final = Pace("stripe", Limit(60, timedelta(minutes=10)), "Stripe was asked very often just now.")
INVOICES: Final = Pace("invoices", Limit(120, timedelta(minutes=10)), "Stripe was asked very often just now.")
"""By whoever looks at them, so that owners are still let through who pay."""


async def count(limiter: Limiter, tenant_id: UUID, pace: Pace) -> None:
    """Counts one. Raises TooMany with what the pace says, and when it may be done again."""
    bucket = ("tenant", f"{{{pace.what}}}:{tenant_id}", pace.limit)
    verdict = await limiter.check(str(uuid4()), [bucket])
    if not verdict.allowed:
        raise TooMany(f"{pace.says} Try again in {waiting(verdict.retry_after)}.", verdict.retry_after)
