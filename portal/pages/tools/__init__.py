"""Tools: what is built in, HTTP tools, and servers of tools, with their risks and secrets."""

from fastapi import APIRouter

from portal.pages.tools import http, listing, servers, trying

router = APIRouter()
# Those with words of their own in their paths come before those that take any.
for _part in (http, servers, trying, listing):
    router.include_router(_part.router)
