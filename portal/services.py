"""What pages reach the rest of the world by: opened when first used, closed with the app.

The portal starts whatever is away or not yet set: its status page says what that is, and only pages that need it fail.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property, partial
from typing import Final

import aiohttp
import structlog
from fastapi import Request
from temporalio.client import Client

from konstruct import temporal
from konstruct.accounts import mails, oidc
from konstruct.accounts.oidc import Provider
from konstruct.accounts.passwords import Passwords
from konstruct.adapters import file_store, slack_oauth, stripe
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.mail import mailer
from konstruct.adapters.presence import RedisPresence
from konstruct.adapters.redis import Circuit, Redis, RedisLimiter, connect
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.slack_oauth import SlackOAuth
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.adapters.whatsapp_accounts import GraphAccounts
from konstruct.audit.signing import Signatures
from konstruct.billing_ports import Payments
from konstruct.budgets import alerts
from konstruct.db import Database
from konstruct.errors import Misconfigured
from konstruct.file_ports import FileStore
from konstruct.limits import LocalLimiter
from konstruct.model_keys import trying
from konstruct.ports import Messenger
from konstruct.settings import Settings, needed
from konstruct.source_ports import Web
from konstruct.vault import Vault
from portal.watching import Watching

log = structlog.get_logger(__name__)


LONGEST_STATEMENT: Final = timedelta(seconds=25)
"""Nobody waits longer for a page."""


class Services:
    """Each raises Misconfigured with a sentence where the deployment lacks its setting."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.circuit = Circuit()
        self._to_close: list[Callable[[], Awaitable[None]]] = []

    @cached_property
    def database(self) -> Database:
        url = needed(self.settings.database_url, "KONSTRUCT_DATABASE_URL")
        return Database(url, longest_statement=LONGEST_STATEMENT)

    @property
    def bills(self) -> bool:
        """Whether businesses pay here, and plans limit those that are founded."""
        return self.settings.stripe_secret_key is not None

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.settings.encryption_keys)

    @cached_property
    def signatures(self) -> Signatures:
        return Signatures(self.settings.encryption_keys)

    @cached_property
    def redis(self) -> Redis:
        return connect(needed(self.settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value())

    @cached_property
    def limiter(self) -> RedisLimiter:
        return RedisLimiter(self.redis, self.circuit, LocalLimiter())

    @cached_property
    def presence(self) -> RedisPresence | None:
        """None where the deployment has no Redis: nobody is told then who else looks."""
        return RedisPresence(self.redis, self.circuit) if self.settings.redis_url is not None else None

    @cached_property
    def watching(self) -> Watching:
        return Watching(self.database, self.presence)

    @cached_property
    def http(self) -> aiohttp.ClientSession:
        return open_session()

    @cached_property
    def slack_oauth(self) -> SlackOAuth | None:
        """None where the deployment has no Slack app to connect workspaces with."""
        return slack_oauth.of_deployment(self.http, self.settings)

    @cached_property
    def whatsapp_accounts(self) -> GraphAccounts:
        return GraphAccounts(self.http, self.settings.graph_api_url)

    @cached_property
    def messengers(self) -> Mapping[str, Messenger]:
        return {
            "slack": SlackMessenger(self.http, self.settings.slack_api_url),
            "whatsapp": WhatsAppMessenger(self.http, self.settings.graph_api_url),
            "console": ConsoleMessenger(),
        }

    @cached_property
    def payments(self) -> Payments | None:
        """Stripe; None where nobody is billed."""
        opened = stripe.opened(self.settings)
        if opened is not None:
            self._to_close.append(opened.close)
        return opened

    @cached_property
    def file_store(self) -> FileStore:
        return file_store.opened(self.settings)

    @cached_property
    def web(self) -> Web:
        """Asks addresses that somebody gave."""
        return self._opened_web(self.settings.web_allowed)

    @cached_property
    def vendors(self) -> Web:
        """Asks the providers of models where the deployment has them, wherever that is."""
        return self._opened_web(trying.places(self.settings))

    def _opened_web(self, allowed: Sequence[str]) -> Web:
        client = open_client(allowed)
        self._to_close.append(client.aclose)
        return SafeWeb(client)

    async def temporal(self) -> Client:
        """One client for all; it connects at its first call, so calls may raise what Temporal's being away does."""
        if self._client is None:
            self._client = await temporal.connect(self.settings)
        return self._client

    _client: Client | None = None

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """Through whom people may sign in, by their keys."""
        web = self._opened_web([*self.settings.web_allowed, *oidc.places(self.settings)])
        return {each.key: Provider(each, web) for each in self.settings.oidc_providers}

    @cached_property
    def passwords(self) -> Passwords:
        return Passwords()

    @cached_property
    def mail_is_due(self) -> asyncio.Event:
        """Set by who has put a mail down, so that it leaves at once."""
        return asyncio.Event()

    async def carry_mails(self) -> None:
        """Until it is cancelled. What a deployment lacks for it is said once, in the log."""
        try:
            write = partial(alerts.write, self.database, self.vault, self.settings.portal_address)
            await mails.look_after(self.database, self.vault, mailer(self.settings), self.mail_is_due, write)
        except Misconfigured as error:
            log.warning("mails_stay", error=str(error))

    def end_streams(self) -> None:
        """The server stops: what is held open would keep it from that."""
        if "watching" in vars(self):
            self.watching.end()

    async def close(self) -> None:
        # What nobody used was never opened.
        opened = vars(self)
        if "watching" in opened:
            await self.watching.close()
        if "http" in opened:
            await self.http.close()
        for close in self._to_close:
            await close()
        if "redis" in opened:
            await self.redis.aclose()
        if "database" in opened:
            await self.database.close()


def services(request: Request) -> Services:
    found = request.app.state.services
    assert isinstance(found, Services)  # noqa: S101  # Put there when the app was built.
    return found
