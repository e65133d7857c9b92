"""The double as tests hold it: where it is, what it has, and everything that can be done to it from outside its API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import stripe
from aiohttp import web

from tests.support.http import serve
from tests.support.stripe_double import catalog, checkout, renewing
from tests.support.stripe_double.delivery import Receiver, Webhooks
from tests.support.stripe_double.events import registered
from tests.support.stripe_double.faults import Fault
from tests.support.stripe_double.hosted_checkout import CheckoutPages
from tests.support.stripe_double.hosted_portal import PortalPages, portal_card
from tests.support.stripe_double.paying import UNTIL_FINAL
from tests.support.stripe_double.server import Api, Request
from tests.support.stripe_double.subscriptions import end_all_of
from tests.support.stripe_double.wire import Json, shown
from tests.support.stripe_double.world import API_VERSION, Rules, World


@dataclass
class Clock:
    """The account's own time, for everybody who is not attached to a test clock. Nothing happens but by `advance`."""

    _world: World

    @property
    def now(self) -> int:
        return self._world.now()

    def freeze(self, at: int | None = None) -> None:
        """It stands still from here on, for sums that are exact to the second."""
        self._world.frozen = self._world.now() if at is None else at

    def advance(self, *, days: float = 0, hours: float = 0, seconds: int = 0) -> int:
        return self.advance_to(self.now + int(days * 86_400 + hours * 3_600) + seconds)

    def advance_to(self, moment: int) -> int:
        assert moment >= self.now, "time does not go back"
        renewing.advance(self._world, None, moment)
        return moment

    def advance_past_period(self, subscription: str) -> int:
        """Until the period, or the trial, has ended and the next invoice's payment was tried; a cancelled one may
        have ended long before."""
        held = self._world.objects[subscription]
        ends = min(item["current_period_end"] for item in held["items"]["data"])
        return self.advance_to(max(self.now, ends + UNTIL_FINAL))


@dataclass
class StripeDouble:
    key: str = "sk_test_double"
    webhook_secret: str = "whsec_double"
    webhook_url: str | None = None
    """Where events are posted to; may be set later."""
    rules: Rules = field(default_factory=Rules)
    world: World = field(init=False)
    webhooks: Webhooks = field(default_factory=Webhooks)

    def __post_init__(self) -> None:
        self.world = World(self.rules, on_event=[self.webhooks.take], on_deleted_customer=[end_all_of])
        self.api = Api(self.world, self.key)
        self.clock = Clock(self.world)
        self.webhooks.receivers = self._receivers

    def _receivers(self) -> list[Receiver]:
        configured = [Receiver(self.webhook_url, self.webhook_secret)] if self.webhook_url else []
        return [*configured, *registered(self.world)]

    @asynccontextmanager
    async def running(
        self, *, port: int = 0, routes: list[web.RouteDef] | None = None
    ) -> AsyncIterator["StripeDouble"]:
        app = web.Application()
        app.router.add_routes([*CheckoutPages(self.world).routes(), *PortalPages(self.world).routes(), *(routes or [])])
        app.router.add_route("*", "/v1/{rest:.*}", self.api.handle)
        async with serve(app, port=port) as url:
            self.world.base_url = url
            self._http = stripe.HTTPXClient()
            await self.webhooks.start()
            try:
                yield self
            finally:
                await self.webhooks.stop()
                await self.api.stop()
                await self._http.close_async()  # type: ignore[no-untyped-call]
            if self.api.crashes:
                raise ExceptionGroup("requests that the double could not answer", self.api.crashes)

    @property
    def url(self) -> str:
        return self.world.base_url

    @property
    def events(self) -> list[Json]:
        """All that happened, in order, posted or not."""
        return self.world.events

    @property
    def calls(self) -> list[Request]:
        return self.api.requests

    def client(self, key: str | None = None, *, version: str = API_VERSION) -> stripe.StripeClient:
        """The official SDK's, against this."""
        return stripe.StripeClient(
            key or self.key,
            base_addresses={"api": self.url},
            http_client=self._http,
            max_network_retries=0,
            stripe_version=version,
        )

    def calls_of(self, path: str, method: str = "POST") -> list[Request]:
        return [call for call in self.calls if call.method == method and call.path == path]

    async def wait_for_call(
        self, path: str, count: int = 1, *, method: str = "POST", timeout: float = 40
    ) -> list[Request]:
        """Those that were answered, once there are so many."""

        def answered() -> list[Request]:
            return [call for call in self.calls_of(path, method) if call.status is not None]

        async with asyncio.timeout(timeout), self.api.changed:
            await self.api.changed.wait_for(lambda: len(answered()) >= count)
        return answered()

    def all(self, kind: str, **fields: object) -> list[Json]:
        """Copies of what is there: `stripe.all("subscription", customer=…)`."""
        return [shown(each) for each in self.world.all_of(kind, **fields)]

    def get(self, id: str) -> Json:
        found: Json = shown(self.world.objects[id])
        return found

    def meter_sum(self, event_name: str, customer: str) -> int:
        meters = self.world.all_of("billing.meter", event_name=event_name)
        return catalog.metered(self.world, meters[-1], customer, 0, 2**40) if meters else 0

    def decline(self, customer: str, code: str = "card_declined") -> None:
        """Every payment of theirs fails, until `accept`."""
        self.world.declined[customer] = code

    def accept(self, customer: str) -> None:
        self.world.declined.pop(customer, None)

    def complete_checkout(
        self, session: str, *, email: str = "ada@example.com", card: str = "4242424242424242"
    ) -> Json:
        """What filling in the page does, without a browser. Returns the subscription."""
        held = self.world.objects[session]
        number = card if checkout.needs_card(held) else None
        found: Json = shown(checkout.complete(self.world, held, email, number, "Ada Lovelace"))
        return found

    def give_card(self, customer: str, card: str = "4242424242424242") -> Json:
        """As the portal's page does: it is their default from now on."""
        found: Json = shown(portal_card(self.world, self.world.objects[customer], card))
        return found

    def fail_next(
        self,
        path: str,
        status: int = 500,
        *,
        method: str = "POST",
        when: Literal["before", "after"] = "before",
        times: int = 1,
        headers: dict[str, str] | None = None,
    ) -> Fault:
        """Answers that; `after` has done what was asked for all the same. ``path`` is a regular expression."""
        return self.api.faults.add(Fault(path, method, status=status, when=when, headers=headers or {}), times)

    def cut_next(
        self, path: str, *, method: str = "POST", when: Literal["before", "after"] = "after", times: int = 1
    ) -> Fault:
        """Resets the connection."""
        return self.api.faults.add(Fault(path, method, when=when), times)

    def hang_next(self, path: str, *, method: str = "POST", when: Literal["before", "after"] = "after") -> Fault:
        """Answers once the fault's `released` is set; its `reached` tells when somebody waits."""
        return self.api.faults.add(Fault(path, method, when=when, hangs=True))


@asynccontextmanager
async def stripe_double(*, port: int = 0, **fields: Any) -> AsyncIterator[StripeDouble]:
    async with StripeDouble(**fields).running(port=port) as double:
        yield double
