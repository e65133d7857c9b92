"""Conversations: the list of all of them, and the whole of one."""

from fastapi import APIRouter

from portal.pages.conversations import exporting, listing, showing

router = APIRouter()
for _part in (listing, exporting, showing):
    router.include_router(_part.router)
