"""The inbox: conversations that need a person, and what agents do with them."""

from fastapi import APIRouter

from portal.pages.inbox import acts, frame, stream, writing

router = APIRouter()
for _part in (stream, acts, writing, frame):
    router.include_router(_part.router)
