"""How often members of a tenant may have done what is work for us, or for others: each a bucket of the tenant's own."""

from uuid import uuid4

from fastapi import Request

from konstruct.errors import TooMany
from konstruct.limits import waiting
from konstruct.ports import Limit
from portal.access import Member
from portal.services import services


async def count(request: Request, member: Member, what: str, limit: Limit, sentence: str) -> None:
    """Counts one of ``what``. Raises TooMany with the ``sentence``, and when it may be done again."""
    bucket = ("tenant", f"{{{what}}}:{member.tenant_id}", limit)
    verdict = await services(request).limiter.check(str(uuid4()), [bucket])
    if not verdict.allowed:
        raise TooMany(f"{sentence} Try again in {waiting(verdict.retry_after)}.", verdict.retry_after)
