"""The pages, one module a subject, each with a router; listed here, so that all of them can be walked by tests."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter

from portal.pages import (
    account,
    api_keys,
    authenticator,
    channels,
    channels_slack,
    channels_whatsapp,
    confirming,
    dev_mail,
    employees,
    home,
    invitations,
    onboarding,
    passkeys,
    providers,
    rehearsals,
    resetting,
    search,
    second_factor,
    security,
    sign_in,
    sign_up,
    status,
    team,
    tenants,
    verification,
)
from portal.pages.settings import deleting, desk, general, models, retention

ROUTERS: Final[Sequence[APIRouter]] = (
    status.router,
    home.router,
    onboarding.router,
    search.router,
    *(general.router, models.router, desk.router, retention.router, deleting.router),
    sign_in.router,
    sign_up.router,
    verification.router,
    resetting.router,
    invitations.router,
    confirming.router,
    account.router,
    tenants.router,
    team.router,
    dev_mail.router,
    rehearsals.router,
    employees.router,
    channels_slack.router,
    channels_whatsapp.router,
    channels.router,
    second_factor.router,
    providers.router,
    security.router,
    authenticator.router,
    passkeys.router,
    api_keys.router,
)
