"""The REST API as whoever writes a program for it reads it: how to ask, all routes, and each subject on a page."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from portal import api_reference
from portal.access import Member, may
from portal.api_scopes import SCOPES
from portal.rendering import render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/api")

Reader = Annotated[Member, Depends(may("api_keys.read"))]


@router.get("")
async def every(request: Request, member: Reader, q: str = "") -> Response:
    """``q``: words, all of which a route has to have in its path, title or scopes."""
    reference = api_reference.read(_gateway(request))
    found = api_reference.looked_for(reference, q)
    return render(request, "pages/api/every.html", reference=reference, found=found, q=q)


@router.get("/openapi.json")
async def description(request: Request, member: Reader) -> Response:
    headers = {"content-disposition": 'attachment; filename="konstruct-openapi.json"'}
    return Response(api_reference.document(_gateway(request)), media_type="application/json", headers=headers)


@router.get("/{section}")
async def one(request: Request, member: Reader, section: str) -> Response:
    reference = api_reference.read(_gateway(request))
    shown = next((each for each in reference.sections if each.anchor == section), None)
    if shown is None:
        raise HTTPException(404)
    return render(request, "pages/api/section.html", reference=reference, section=shown, scopes=SCOPES)


def _gateway(request: Request) -> str:
    return services(request).settings.gateway_address
