"""Whom routes ask outside, as the deployment has them: channels, providers of models, and who looks at pictures."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from konstruct.adapters import slack_oauth, stripe
from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.adapters.whatsapp_accounts import GraphAccounts
from konstruct.billing_ports import Payments
from konstruct.connecting.leaving import Uninstalls
from konstruct.connecting.whatsapp_ports import WhatsAppAccounts
from konstruct.designs import pictures
from konstruct.file_ports import PictureReader
from konstruct.model_keys import trying
from konstruct.settings import Settings
from konstruct.source_ports import Web


@dataclass(frozen=True)
class Outside:
    settings: Settings
    slack: Uninstalls | None
    """None where the deployment has no Slack app to connect workspaces with."""
    whatsapp: WhatsAppAccounts
    web: Web
    """Asks addresses that somebody gave."""
    vendors: Web
    """Asks the providers of models where the deployment has them, wherever that is."""
    pictures: PictureReader
    payments: Payments | None
    """None where the deployment bills nobody."""


@asynccontextmanager
async def opened(settings: Settings, http: aiohttp.ClientSession) -> AsyncIterator[Outside]:
    async with (
        open_client(settings.web_allowed) as given,
        open_client(trying.places(settings)) as configured,
        AsyncExitStack() as stack,
    ):
        payments = stripe.opened(settings)
        if payments is not None:
            stack.push_async_callback(payments.close)
        yield Outside(
            settings,
            slack_oauth.of_deployment(http, settings),
            GraphAccounts(http, settings.graph_api_url),
            SafeWeb(given),
            SafeWeb(configured),
            SubprocessPictures(at_once=1, longest_side=pictures.LONGEST_SIDE),
            payments,
        )
