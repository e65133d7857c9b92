"""How often members of a tenant may have done what is work for us, or for others: each a bucket of the tenant's own."""

from fastapi import Request

from konstruct import pacing
from konstruct.pacing import Pace
from konstruct.ports import Limit
from portal.access import Member
from portal.services import services


async def count(request: Request, member: Member, what: str, limit: Limit, sentence: str) -> None:
    """Counts one of ``what``. Raises TooMany with the ``sentence``, and when it may be done again."""
    await keep(request, member, Pace(what, limit, sentence))


async def keep(request: Request, member: Member, pace: Pace) -> None:
    """As ``count``, of what programs may ask for over the API, too: they share its bucket."""
    await pacing.count(services(request).limiter, member.tenant_id, pace)
