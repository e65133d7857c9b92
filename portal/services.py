"""What pages reach the rest of the world by: opened when first used, closed with the app.

The portal starts whatever is away or not yet set: its status page says what that is, and only pages that need it fail.
"""

import asyncio
from collections.abc import Mapping
from functools import cached_property

import aiohttp
import structlog
from fastapi import Request
from temporalio.client import Client

from konstruct import temporal
from konstruct.accounts import mails
from konstruct.accounts.passwords import Passwords
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.mail import mailer
from konstruct.adapters.redis import Circuit, Redis, RedisLimiter, connect
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.db import Database
from konstruct.errors import Misconfigured
from konstruct.limits import LocalLimiter
from konstruct.ports import Messenger
from konstruct.settings import Settings, needed
from konstruct.vault import Vault

log = structlog.get_logger(__name__)


class Services:
    """Each raises Misconfigured with a sentence where the deployment lacks its setting."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.circuit = Circuit()

    @cached_property
    def database(self) -> Database:
        return Database(needed(self.settings.database_url, "KONSTRUCT_DATABASE_URL"))

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.settings.encryption_keys)

    @cached_property
    def redis(self) -> Redis:
        return connect(needed(self.settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value())

    @cached_property
    def limiter(self) -> RedisLimiter:
        return RedisLimiter(self.redis, self.circuit, LocalLimiter())

    @cached_property
    def http(self) -> aiohttp.ClientSession:
        return open_session()

    @cached_property
    def messengers(self) -> Mapping[str, Messenger]:
        return {
            "slack": SlackMessenger(self.http, self.settings.slack_api_url),
            "whatsapp": WhatsAppMessenger(self.http, self.settings.graph_api_url),
            "console": ConsoleMessenger(),
        }

    async def temporal(self) -> Client:
        """One client for all; it connects at its first call, so calls may raise what Temporal's being away does."""
        if self._client is None:
            self._client = await temporal.connect(self.settings)
        return self._client

    _client: Client | None = None

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
            await mails.look_after(self.database, self.vault, mailer(self.settings), self.mail_is_due)
        except Misconfigured as error:
            log.warning("mails_stay", error=str(error))

    async def close(self) -> None:
        # What nobody used was never opened.
        opened = vars(self)
        if "http" in opened:
            await self.http.close()
        if "redis" in opened:
            await self.redis.aclose()
        if "database" in opened:
            await self.database.close()


def services(request: Request) -> Services:
    found = request.app.state.services
    assert isinstance(found, Services)  # noqa: S101  # Put there when the app was built.
    return found
