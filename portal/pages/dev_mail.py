"""Mails that were not sent, for who tries Konstruct on their own machine. Elsewhere there is no such page."""

import ipaddress
import re

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from konstruct.accounts import mails
from portal.access import anybody
from portal.entering import shows_mails
from portal.rendering import render
from portal.services import services

router = APIRouter(dependencies=[Depends(anybody())])

_LINK = re.compile(r"https?://\S+")


@router.get("/dev/mail")
async def listing(request: Request) -> Response:
    found = services(request)
    if not shows_mails(found.settings) or not _is_from_here(request):
        raise HTTPException(404)
    kept = await mails.kept(found.database, found.vault)
    return render(
        request,
        "pages/dev_mail/listing.html",
        mails=[(mail, _LINK.findall(mail.text)) for mail in kept],
    )


def _is_from_here(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
