"""Contacts: who writes in, what is remembered of them, and how it is forgotten."""

from fastapi import APIRouter

from portal.pages.contacts import erasing, joining, listing, person

router = APIRouter()
for _part in (listing, joining, erasing, person):
    router.include_router(_part.router)
