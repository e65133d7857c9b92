"""Usage, cost and outcomes."""

from fastapi import APIRouter

from portal.pages.reports import budgets, exports, outcomes, usage

router = APIRouter()
for part in (budgets, exports, usage, outcomes):
    router.include_router(part.router)
