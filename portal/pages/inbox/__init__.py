"""The inbox: conversations that need a person, and what agents do with them."""

from fastapi import APIRouter

from portal.pages.inbox import frame, stream

router = APIRouter()
for _part in (stream, frame):
    router.include_router(_part.router)
