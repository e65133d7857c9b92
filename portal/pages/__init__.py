"""The pages, one module a subject, each with a router; listed here, so that all of them can be walked by tests."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter

from portal.pages import (
    channels,
    channels_slack,
    channels_whatsapp,
    dev_mail,
    employees,
    home,
    rehearsals,
    resetting,
    search,
    sign_in,
    sign_up,
    status,
    verification,
)
from portal.pages.settings import desk, general, models, retention

ROUTERS: Final[Sequence[APIRouter]] = (
    status.router,
    home.router,
    search.router,
    *(general.router, models.router, desk.router, retention.router),
    sign_in.router,
    sign_up.router,
    verification.router,
    resetting.router,
    dev_mail.router,
    rehearsals.router,
    channels_slack.router,
    channels_whatsapp.router,
    channels.router,
    employees.router,
)
