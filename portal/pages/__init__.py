"""The pages, one module a subject, each with a router; listed here, so that all of them can be walked by tests."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter

from portal.pages import dev_mail, home, resetting, search, sign_in, sign_up, status, verification

ROUTERS: Final[Sequence[APIRouter]] = (
    status.router,
    home.router,
    search.router,
    sign_in.router,
    sign_up.router,
    verification.router,
    resetting.router,
    dev_mail.router,
)
