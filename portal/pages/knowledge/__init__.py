"""Knowledge: sources and documents, how far they are read, and questions tried on them."""

from fastapi import APIRouter

from portal.pages.knowledge import documents, editing, sources, trying

router = APIRouter()
# Those with words of their own in their paths come before those that take any.
for _part in (trying, editing, documents, sources):
    router.include_router(_part.router)
