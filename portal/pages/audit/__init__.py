"""The audit trail: what was done, by whom, and whether the trail is as it was written."""

from fastapi import APIRouter

from portal.pages.audit import checking, events, listing

router = APIRouter()
for _part in (checking, events, listing):
    router.include_router(_part.router)
