"""The API over HTTP: who asks, for which version, what is kept and what goes wrong on request."""

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

from aiohttp import web

from tests.support.http import reset_connection

# Each registers what it answers.
from tests.support.stripe_double import checkout, events, portal, previews, subscriptions  # noqa: F401
from tests.support.stripe_double.endpoints import Call, Endpoint, Params, route
from tests.support.stripe_double.faults import Fault, Faults, Kept, Keys
from tests.support.stripe_double.parameters import check
from tests.support.stripe_double.wire import Json, Refusal, expand, shown, unfold
from tests.support.stripe_double.world import API_VERSION, Asked, World

_WITHOUT_EFFECT = frozenset(
    {
        "allow_promotion_codes",
        "automatic_tax",
        "billing_address_collection",
        "branding_settings",
        "consent_collection",
        "custom_text",
        "customer_update",
        "expand",
        "limit",
        "locale",
        "name_collection",
        "payment_method_types",
        "phone_number_collection",
        "tax_id_collection",
    }
)
"""Parameters for looks, languages and taxes, which the double has none of, and those that all endpoints take."""
_BEARER = re.compile(r"Bearer (\S+)")


@dataclass
class Request:
    """One that came, and how it was answered."""

    method: str
    path: str
    params: Json
    idempotency_key: str | None
    status: int | None = None
    answer: Json = field(default_factory=dict)
    is_replay: bool = False


@dataclass
class Api:
    world: World
    key: str
    faults: Faults = field(default_factory=Faults)
    keys: Keys = field(default_factory=Keys)
    crashes: list[Exception] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _serving: set[asyncio.Task[web.Response]] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.Response:
        # What Stripe has taken it carries out, whether or not its caller still listens.
        body = await request.read()
        serving = asyncio.create_task(self._serve(request, body))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        return await asyncio.shield(serving)

    async def stop(self) -> None:
        """Whatever a test left hanging goes on, so that nothing is left over."""
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, request: web.Request, body: bytes) -> web.Response:
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        noted = Request(request.method, request.path, {}, key)
        self.requests.append(noted)
        request_id = f"req_{secrets.token_hex(7)}"
        headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
        fault = self.faults.next(request.method, request.path)
        try:
            found, ids = self._admit(request, noted, body, fault)
            kept = self.keys.begin(key, request.method, request.path, noted.params, self.world.now()) if key else None
            if kept is not None:
                headers["Idempotency-Key"] = key or ""
                if kept.status is not None:
                    noted.is_replay = True
                    headers |= {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
                    return await self._answer(noted, kept.status, kept.body, headers)
                kept.request_id = request_id
            status, answer = await self._execute(request, noted, found, ids, kept, fault, request_id)
        except Refusal as refusal:
            status, answer = refusal.status, refusal.body()
            answer["error"]["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        if status in (400, 402, 404):
            headers["Stripe-Should-Retry"] = "false"
        if fault is not None:
            headers |= fault.headers
        return await self._answer(noted, status, answer, headers)

    async def _answer(self, noted: Request, status: int, answer: Json, headers: dict[str, str]) -> web.Response:
        noted.status, noted.answer = status, answer
        async with self.changed:
            self.changed.notify_all()
        return web.json_response(answer, status=status, headers=headers)

    def _admit(
        self, request: web.Request, noted: Request, body: bytes, fault: Fault | None
    ) -> tuple[Endpoint, dict[str, str]]:
        """Everything that is looked at before anything is done."""
        self._authenticate(request)
        if fault is not None and fault.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise fault.refusal()
        found = route(request.method, request.path)
        if found is None:
            raise Refusal(
                f"Unrecognized request URL ({request.method}: {request.path}).", status=404, is_before_execution=True
            )
        given = list(request.query.items())
        if request.method == "POST":
            kind = request.headers.get("Content-Type", "").partition(";")[0]
            if body and kind != "application/x-www-form-urlencoded":
                raise Refusal(f"Invalid request body: it must be a form, not {kind}.", is_before_execution=True)
            if given:
                raise Refusal("Parameters of a POST belong in its body.", is_before_execution=True)
            given = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body))
        noted.params = unfold(given)
        noted.params = check(found[0].form, noted.params)
        return found

    def _authenticate(self, request: web.Request) -> None:
        given = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        if given is None:
            raise Refusal(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using"
                " Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
                is_before_execution=True,
            )
        if not secrets.compare_digest(given[1], self.key):
            raise Refusal(
                f"Invalid API Key provided: {given[1][:8]}{'*' * 8}{given[1][-4:]}",
                status=401,
                is_before_execution=True,
            )
        version = request.headers.get("Stripe-Version")
        if version != API_VERSION:
            # The real one takes any version it ever had, and without one the account's. Here it must be the pinned one.
            raise Refusal(f"Invalid Stripe API version: {version}", is_before_execution=True)

    async def _execute(
        self,
        request: web.Request,
        noted: Request,
        found: Endpoint,
        ids: dict[str, str],
        kept: Kept | None,
        fault: Fault | None,
        request_id: str,
    ) -> tuple[int, Json]:
        if fault is not None and fault.when == "before":
            await self._play(request, fault, kept)
            if fault.status is not None:
                return self._keep(kept, fault.status, fault.refusal().body())
        self.world.asked = Asked(request_id, noted.idempotency_key)
        params = Params(noted.params)
        try:
            answer = shown(found.handler(Call(self.world, params, ids)))
            if unread := params.unread - _WITHOUT_EFFECT:
                raise NotImplementedError(f"{request.method} {request.path} does not do {sorted(unread)}")
            expand(answer, noted.params.get("expand", []), self.world.objects)
            status = 200
        except Refusal as refusal:
            status, answer = refusal.status, refusal.body()
        except Exception as problem:
            # A fault of the double, which tells of it when it ends.
            self._forget(kept)
            self.crashes.append(problem)
            raise
        finally:
            self.world.asked = Asked()
        if fault is not None and fault.when == "after" and fault.status is not None:
            status, answer = fault.status, fault.refusal().body()
        self._keep(kept, status, answer)
        if fault is not None and fault.when == "after":
            await self._play(request, fault, None)
        return status, answer

    def _keep(self, kept: Kept | None, status: int, answer: Json) -> tuple[int, Json]:
        if kept is not None:
            kept.status, kept.body = status, answer
        return status, answer

    async def _play(self, request: web.Request, fault: Fault, kept: Kept | None) -> None:
        if fault.hangs:
            try:
                await fault.released.wait()
            except asyncio.CancelledError:
                self._forget(kept)
                raise
        elif fault.status is None:
            # Nothing was begun, so nothing is kept for the key.
            self._forget(kept)
            reset_connection(request)
            raise Refusal("The connection was cut.", status=500, type="api_error")

    def _forget(self, kept: Kept | None) -> None:
        for key, each in list(self.keys.kept.items()):
            if each is kept:
                del self.keys.kept[key]
