"""What the palette asks while somebody types."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from konstruct.sharing import one_of_few
from portal.access import Member, may
from portal.rendering import render
from portal.search import FINDERS, MOST_OF_EACH
from portal.services import services

router = APIRouter()


@router.get("/t/{tenant}/search")
async def search(
    request: Request,
    member: Annotated[Member, Depends(may("home.read"))],
    q: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    words = q.strip()
    finders = [finder for finder in FINDERS if words and member.may(finder.permission)]
    async with one_of_few(member.tenant_id):
        groups = [(finder.heading, await finder.find(services(request), member, words)) for finder in finders]
    return render(
        request,
        "pages/search/found.html",
        groups=[(heading, found[:MOST_OF_EACH]) for heading, found in groups if found],
    )
