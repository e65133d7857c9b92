"""What a business pays for: its plan, what of it is used, invoices, and the ways to Stripe's pages and back."""

from fastapi import APIRouter

from portal.pages.billing import changing, overview, returning

router = APIRouter()
for part in (overview, changing, returning):
    router.include_router(part.router)
